(() => {
  'use strict';
  const table = document.querySelector('table'), filter = document.querySelector('input'), count = document.getElementById('count');
  if (!table) return;
  const all = [...table.querySelectorAll('tbody tr')].map((row, place) => {
    const name = row.firstElementChild, size = row.querySelector('data'), time = row.querySelector('time');
    return {row, place, link: name.querySelector('a'), text: name.textContent.toLowerCase(), size: size ? +size.value : -1, time: time ? time.dateTime : ''};
  });
  const heads = [...table.querySelectorAll('thead th')], summary = count.textContent, chunk = 100;
  const by = {name: (a, b) => a.place - b.place, size: (a, b) => a.size - b.size, time: (a, b) => a.time < b.time ? -1 : a.time > b.time ? 1 : 0};
  const first = {name: 1, size: -1, time: -1}; // the largest and the newest come first
  let column = 'name', way = 1, shown = all;

  const show = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = words.length ? all.filter(e => words.every(w => e.text.includes(w))) : all.slice();
    if (column !== 'name' || way < 0) shown.sort((a, b) => way * by[column](a, b) || a.place - b.place);
    const bodies = [];
    for (let i = 0; i < shown.length; i += chunk) {
      const body = document.createElement('tbody');
      body.append(...shown.slice(i, i + chunk).map(e => e.row));
      bodies.push(body);
    }
    for (const body of table.querySelectorAll('tbody')) body.remove();
    table.append(...bodies);
    count.textContent = words.length ? `${shown.length.toLocaleString('en')} of ${all.length.toLocaleString('en')} match` : summary;
    for (const head of heads) {
      if (head.dataset.by === column) head.setAttribute('aria-sort', way > 0 ? 'ascending' : 'descending');
      else head.removeAttribute('aria-sort');
    }
  };

  // The order is kept in the fragment: #sort=size or #sort=-size.
  const read = () => {
    const [, minus, asked] = /^#sort=(-?)(name|size|time)$/.exec(location.hash) || ['', '', 'name'];
    column = asked;
    way = minus ? -1 : 1;
  };
  for (const head of heads) {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    button.addEventListener('click', () => {
      const name = head.dataset.by;
      way = name === column ? -way : first[name];
      column = name;
      const plain = column === 'name' && way > 0;
      history.replaceState(history.state, '', plain ? location.pathname + location.search : `#sort=${way < 0 ? '-' : ''}${column}`);
      show();
    });
    head.append(button);
  }
  filter.addEventListener('input', show);
  addEventListener('hashchange', () => { read(); show(); });

  const go = step => {
    const at = shown.findIndex(e => e.link && e.link === document.activeElement);
    for (let i = at < 0 && step < 0 ? -1 : at + step; i < shown.length; i += step) {
      if (i < 0) return filter.focus();
      if (shown[i].link) return shown[i].link.focus();
    }
  };
  addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target === filter;
    if (!typing && /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    switch (event.key) {
      case '/':
        if (typing) return;
        filter.focus();
        filter.select();
        break;
      case 'ArrowDown': go(1); break;
      case 'ArrowUp':
        if (!shown.some(e => e.link === event.target)) return;
        go(-1);
        break;
      case 'Escape':
        if (!typing) return;
        if (filter.value) { filter.value = ''; show(); } else filter.blur();
        break;
      case 'Enter': {
        const hit = shown.find(e => e.link);
        if (!typing || !hit) return;
        hit.link.click();
        break;
      }
      default: return;
    }
    event.preventDefault();
  });

  filter.hidden = false;
  for (const hint of document.querySelectorAll('footer[hidden]')) hint.hidden = false;
  read();
  if (column !== 'name' || way < 0 || filter.value) show();
  else heads[0].setAttribute('aria-sort', 'ascending');
})();
