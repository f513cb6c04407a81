// Has a page show what has changed. previewd puts this script into the pages that it serves, if RELOAD is set.
//
// It tells the server what the page has loaded, and is told what of it has changed. Style sheets and images are replaced where
// they are; for anything else the page is loaded again. A page that is not visible does not listen: when it is seen again, it
// says what it shows, and is told what has changed since.
(() => {
  'use strict';
  const tag = document.currentScript;
  if (!tag || window.__previewd) return; // a page that fetches another one may run the script of that too
  if (self.origin === 'null') return; // a sandbox may not ask; the page that has the frame loads it again

  const base = new URL('..', tag.src); // the root of the site as the browser sees it
  const events = new URL('__previewd/events', base).href;
  const stamp = '__previewd'; // the parameter of a query that makes a URL a new one

  // What the page shows, by path: what the server has said of it, null where it has said nothing.
  const shows = new Map(Object.entries(JSON.parse(tag.dataset.shows)));
  const page = shows.keys().next().value;

  // The path of the site that a URL stands for, as the server calls it; null for what is elsewhere.
  function pathOf(url, from = document.baseURI) {
    let u;
    try {
      u = new URL(url, from);
    } catch {
      return null;
    }
    if (u.origin !== base.origin || !u.pathname.startsWith(base.pathname)) return null;
    const path = '/' + u.pathname.slice(base.pathname.length);
    if (path.startsWith('/__previewd/')) return null;
    try {
      return decodeURIComponent(path);
    } catch {
      return path;
    }
  }

  let change = 0; // when something has changed last

  // The URL with another parameter at its end, so that no cache answers for it, and the same one until the next change.
  function renewed(url, from = document.baseURI) {
    const u = new URL(url, from);
    const old = u.search.replace(new RegExp('[?&]' + stamp + '=[^&]*'), '').replace(/^&/, '?');
    u.search = old + (old ? '&' : '?') + stamp + '=' + change.toString(36);
    return u.href;
  }

  // ---- what the page uses

  // The document, and the shadow trees in it that are open.
  function trees(root = document, found = [root]) {
    for (const element of root.querySelectorAll('*')) {
      if (element.shadowRoot) {
        found.push(element.shadowRoot);
        trees(element.shadowRoot, found);
      }
    }
    return found;
  }

  function select(selector) {
    return trees().flatMap((root) => [...root.querySelectorAll(selector)]);
  }

  performance.setResourceTimingBufferSize(5000);
  function loaded() {
    return performance.getEntriesByType('resource');
  }

  // Adds what the page has loaded to what it shows, and says whether there was something new.
  function gather() {
    const before = shows.size;
    const add = (url) => {
      const path = url ? pathOf(url) : null;
      if (path !== null && !shows.has(path)) shows.set(path, null);
    };
    loaded().forEach((entry) => add(entry.name));
    // The browser does not list what it has had in memory.
    select('link[rel~=stylesheet], link[rel~=icon], script[src], img[src]').forEach((element) => add(element.href || element.src));
    return shows.size > before;
  }

  // ---- replacing

  // A value of CSS whose URLs of a path are others.
  function withOthers(value, from, path) {
    return value.replace(/url\(\s*(["']?)(.*?)\1\s*\)/g, (all, quote, url) =>
      pathOf(url, from) === path ? 'url("' + renewed(url, from) + '")' : all);
  }

  // The URL of a path in a value of CSS; undefined where there is none.
  function mentioned(text, from, path) {
    const found = [...text.matchAll(/url\(\s*(["']?)(.*?)\1\s*\)/g)].find((match) => pathOf(match[2], from) === path);
    return found && new URL(found[2], from).href;
  }

  // Replaces the URLs of a path in declarations.
  function redeclare(style, from, path) {
    for (const property of new Set([...style, 'background', 'border-image', 'list-style', 'mask', 'content', 'cursor'])) {
      const value = style.getPropertyValue(property);
      if (!value.includes('url(')) continue;
      const other = withOthers(value, from, path);
      if (other !== value) style.setProperty(property, other, style.getPropertyPriority(property));
    }
  }

  // Calls back with each rule of a style sheet and of those that it imports, and the URL that its own are relative to.
  function walk(sheet, visit, from = sheet.href || document.baseURI) {
    let rules;
    try {
      rules = sheet.cssRules;
    } catch {
      return; // of another origin
    }
    for (const rule of rules || []) {
      visit(rule, from);
      if (rule.styleSheet) walk(rule.styleSheet, visit);
      if (rule.cssRules) walk(rule, visit, from);
    }
  }

  // Loads an image before it is shown.
  async function prepare(url) {
    const image = new Image();
    image.src = url;
    await image.decode().catch(() => {});
  }

  const replacing = new Map(); // elements of style sheets, and those that are to replace them

  // Loads another style sheet beside the one that is there, and then removes that: nothing flashes.
  function follow(owner, fresh) {
    replacing.get(owner)?.remove();
    replacing.set(owner, fresh);
    return new Promise((resolve, reject) => {
      const settle = (done) => {
        if (replacing.get(owner) === fresh) {
          replacing.delete(owner);
          done();
        }
        resolve();
      };
      fresh.addEventListener('load', () => settle(() => owner.remove()));
      fresh.addEventListener('error', () => settle(() => {
        fresh.remove();
        reject(new Error(fresh.href));
      }));
      owner.after(fresh);
    });
  }

  function replaceSheet(link) {
    if (link.disabled) {
      link.href = renewed(link.href);
      return;
    }
    const fresh = link.cloneNode();
    fresh.href = renewed(link.href);
    return follow(link, fresh);
  }

  function replaceOwner(owner) {
    return owner.localName === 'link' ? replaceSheet(owner) : follow(owner, owner.cloneNode(true));
  }

  const inSet = (candidate) => candidate.trim().split(/\s+/)[0];

  // What is to be done for a path that has changed: functions that replace it where it is, or null where the page has to
  // be loaded again.
  function replacements(path) {
    if (path === page) return null;
    const is = (url) => Boolean(url) && pathOf(url) === path;
    const steps = [];
    let used = false; // something is known that uses it, and needs nothing to be done

    const programs = ['script', 'fetch', 'xmlhttprequest', 'beacon', 'track', 'audio', 'object', 'embed'];
    if (!select('link[rel~=icon]').some((link) => is(link.href))) programs.push('other'); // workers; icons are that too
    if (loaded().some((entry) => programs.includes(entry.initiatorType) && is(entry.name))) return null;
    if (select('script[src], object[data], embed[src], audio[src], video[src], :is(audio, video) > source[src], track[src]').some((e) => is(e.src || e.data))) return null;

    for (const frame of select('iframe, frame')) {
      const inside = windowOf(frame.contentWindow);
      const shown = inside ? inside.location.href : frame.src;
      if (!is(shown) && !is(frame.src)) continue;
      used = true;
      if (!inside) steps.push(() => frame.setAttribute('src', frame.src)); // in a sandbox
      else if (!inside.__previewd) steps.push(() => inside.location.reload()); // no page: a text, or a picture
    }

    for (const link of select('link[href]')) {
      if (!is(link.href)) continue;
      if (link.relList.contains('stylesheet')) {
        if (![...replacing.values()].includes(link)) steps.push(() => replaceSheet(link));
      } else if (/icon/i.test(link.rel)) {
        steps.push(() => link.replaceWith(Object.assign(link.cloneNode(), { href: renewed(link.href) })));
      } else if (link.relList.contains('prefetch')) {
        used = true;
      } else if (!['style', 'image'].includes(link.as)) {
        return null; // a module, a font
      }
    }

    for (const root of trees()) {
      for (const sheet of [...root.styleSheets, ...(root.adoptedStyleSheets || [])]) {
        let imported, font = false;
        const styles = [];
        walk(sheet, (rule, from) => {
          if (rule.styleSheet !== undefined && rule.href && pathOf(rule.href, from) === path) imported = new URL(rule.href, from).href;
          const url = rule.style && rule.cssText.includes('url(') && mentioned(rule.cssText, from, path);
          if (!url) return;
          if (rule.type === CSSRule.FONT_FACE_RULE) font = true;
          else styles.push([rule.style, from, url]);
        });
        if (font) return null;
        if (imported) {
          if (!sheet.ownerNode) return null;
          steps.push(async () => {
            await fetch(imported, { cache: 'reload' }).catch(() => {});
            await replaceOwner(sheet.ownerNode);
          });
        }
        for (const [style, from, url] of styles) {
          steps.push(async () => {
            await prepare(renewed(url));
            redeclare(style, from, path);
          });
        }
      }
    }
    for (const element of select('[style*="url("]')) {
      const url = mentioned(element.getAttribute('style'), document.baseURI, path);
      if (!url) continue;
      steps.push(async () => {
        await prepare(renewed(url));
        redeclare(element.style, document.baseURI, path);
      });
    }

    for (const image of select('img, input[type=image], video[poster], image, use, feImage')) {
      for (const name of ['src', 'poster', 'href', 'xlink:href']) {
        const url = image.getAttribute(name);
        if (!is(url)) continue;
        steps.push(async () => {
          await prepare(renewed(url));
          if (image.getAttribute(name) === url) image.setAttribute(name, renewed(url));
        });
      }
    }
    for (const element of select('img[srcset], source[srcset], link[imagesrcset]')) {
      const name = element.localName === 'link' ? 'imagesrcset' : 'srcset';
      const set = element.getAttribute(name);
      const candidates = set.split(/,\s+|,(?=\S+\s+[\d.]+[wx])/);
      const urls = candidates.map(inSet).filter(is);
      if (!urls.length) continue;
      steps.push(async () => {
        await Promise.all(urls.map((url) => prepare(renewed(url))));
        element.setAttribute(name, candidates.map((c) => {
          const url = inSet(c);
          return is(url) ? c.replace(url, () => renewed(url)) : c;
        }).join(', '));
      });
    }
    return steps.length || used ? steps : null;
  }

  // ---- what was typed: not every browser keeps it when a page loads itself again

  const kept = '__previewd ' + page; // in the storage of the tab

  // The fields of the page by what tells them apart: type, name, and which one of these it is.
  function fields() {
    const all = new Map();
    for (const field of document.querySelectorAll('input, textarea, select')) {
      if (/^(password|file|hidden|submit|button|image|reset)$/.test(field.type)) continue;
      let n = 0;
      while (all.has(`${n} ${field.type} ${field.name}`)) n++;
      all.set(`${n} ${field.type} ${field.name}`, field);
    }
    return all;
  }

  const isSwitch = (field) => field.type === 'checkbox' || field.type === 'radio';

  function isChanged(field) {
    if (field.options) return [...field.options].some((option) => option.selected !== option.defaultSelected);
    return isSwitch(field) ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
  }

  function valueOf(field) {
    if (field.options) return [...field.options].filter((option) => option.selected).map((option) => option.value);
    return isSwitch(field) ? field.checked : field.value;
  }

  function keepFields() {
    try {
      const changed = [...fields()].filter(([, field]) => isChanged(field)).map(([key, field]) => [key, valueOf(field)]);
      sessionStorage.setItem(kept, JSON.stringify(changed));
    } catch {
      // There may be no storage, or no room in it.
    }
  }

  function restoreFields() {
    try {
      const changed = JSON.parse(sessionStorage.getItem(kept) ?? '[]');
      sessionStorage.removeItem(kept);
      const all = changed.length ? fields() : new Map();
      for (const [key, value] of changed) {
        const field = all.get(key);
        if (!field) continue;
        if (field.options) for (const option of field.options) option.selected = value.includes(option.value);
        else if (isSwitch(field)) field.checked = value;
        else field.value = value;
      }
    } catch {
      // As above.
    }
  }
  restoreFields();

  let leaving = false;
  function reload() {
    leaving = true;
    keepFields();
    setTimeout(() => { // the person at the page may have stayed
      leaving = false;
      listen();
    }, 10000);
    location.reload();
  }

  // Shows what has changed, here and in the frames of the page.
  function show(paths) {
    change = Math.max(change + 1, Date.now());
    const steps = [];
    for (const path of paths) {
      if (!shows.has(path)) continue;
      const found = replacements(path);
      if (!found) return reload();
      steps.push(...found);
    }
    Promise.all(steps.map((step) => step())).catch(reload);
    frames().forEach((frame) => frame.show(paths));
  }

  // ---- frames: a page listens for those in it that are of the same origin

  function windowOf(other) {
    try {
      return other && other.document ? other : null;
    } catch {
      return null;
    }
  }

  function scriptOf(other) {
    return windowOf(other)?.__previewd;
  }

  function frames() {
    const list = [];
    for (let i = 0; i < window.length; i++) {
      const script = scriptOf(window[i]);
      if (script) list.push(script);
    }
    return list;
  }

  function above() {
    return window.parent === window ? undefined : scriptOf(window.parent);
  }

  // All that this page and its frames show.
  function showAll(all = {}) {
    gather();
    for (const [path, of] of shows) all[path] ??= of;
    frames().forEach((frame) => frame.showAll(all));
    return all;
  }

  const most = 4000, longest = 300000; // entries and characters that the server is sent

  // What the server is told. Of a page that has loaded more than it takes, that is what was loaded last.
  function told() {
    const [first, ...others] = Object.entries(showAll());
    const list = [first];
    let room = longest;
    for (const entry of others.reverse()) {
      room -= JSON.stringify(entry).length;
      if (room < 0 || list.length === most) break;
      list.push(entry);
    }
    return Object.fromEntries(list);
  }

  // Notes what the server says of paths.
  function note(said) {
    for (const [path, of] of Object.entries(said)) {
      if (shows.has(path)) shows.set(path, of);
    }
    frames().forEach((frame) => frame.note(said));
  }

  // ---- the word in the corner

  let badge, badgeTimer;
  function announce(paths) {
    clearTimeout(badgeTimer);
    badgeTimer = setTimeout(() => { // most files that are gone are back at once
      if (!badge) {
        badge = document.createElement('previewd-rebuilding');
        const box = document.createElement('div');
        box.textContent = 'Rebuilding\u2026';
        // Style sheets of the page do not reach it, and a policy of the page that forbids style elements does not matter.
        Object.assign(box.style, {
          position: 'fixed', right: '12px', bottom: '12px', zIndex: '2147483647', pointerEvents: 'none', padding: '6px 12px',
          borderRadius: '6px', font: '13px/1.4 system-ui, sans-serif', color: '#fff', background: 'rgba(32, 36, 44, 0.92)',
          boxShadow: '0 2px 8px rgba(0, 0, 0, 0.3)',
        });
        box.setAttribute('role', 'status');
        badge.attachShadow({ mode: 'open' }).append(box);
        document.documentElement.append(badge);
        if (!matchMedia('(prefers-reduced-motion: reduce)').matches) {
          box.animate([{ opacity: 1 }, { opacity: 0.55 }, { opacity: 1 }], { duration: 1600, iterations: Infinity });
        }
      }
      badge.title = paths.join(', ');
    }, 150);
  }

  function unannounce() {
    clearTimeout(badgeTimer);
    badge?.remove();
    badge = undefined;
  }

  // ---- listening

  const firstWait = 250, longestWait = 5000; // milliseconds between two tries
  const silence = 40000; // milliseconds; the server says something each 15 s
  let stream, id = '', timer, wait = firstWait, forbidden = false;

  function receive(kind, data) {
    switch (kind) {
      case 'state':
        return note(data);
      case 'rebuilding':
        return announce(data);
      case 'restored':
        return unannounce();
      case 'reload':
        unannounce();
        return show(data);
    }
  }

  function newID() {
    return Math.random().toString(36).slice(2) + Date.now().toString(36);
  }

  async function listen() {
    clearTimeout(timer);
    const parent = window.parent === window ? null : windowOf(window.parent);
    if (parent?.__previewd) {
      rest();
      return parent.__previewd.listenAgain();
    }
    if (parent && parent.document.readyState !== 'complete') {
      timer = setTimeout(listen, 100); // its script may be on its way
      return;
    }
    if (stream || leaving || forbidden || document.visibilityState === 'hidden') return;
    const own = stream = new AbortController();
    const before = id;
    let watch, began = performance.now(), received = false;
    const alive = () => {
      clearTimeout(watch);
      watch = setTimeout(() => own.abort(), silence);
    };
    try {
      alive();
      const response = await fetch(events, {
        method: 'POST', cache: 'no-store', signal: own.signal, headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ id: id = newID(), ends: before, page, age: performance.now(), shows: told() }),
      });
      if (!response.ok) throw new Error(String(response.status));
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ''; ;) {
        const { value, done } = await reader.read();
        if (done) break;
        alive();
        wait = firstWait;
        const parts = (text + value).split('\n\n');
        text = parts.pop();
        for (const part of parts) {
          const kind = /^event: (.*)$/m.exec(part), data = /^data: (.*)$/m.exec(part);
          if (!kind || !data) continue;
          received = true;
          receive(kind[1], JSON.parse(data[1]));
        }
      }
    } catch {
      // It is tried again.
    }
    clearTimeout(watch);
    if (stream !== own) return;
    stream = undefined;
    if (document.visibilityState === 'hidden') return;
    // A stream that ends has told of a change.
    const soon = received && performance.now() - began > 20;
    timer = setTimeout(listen, soon ? 0 : wait);
    if (!soon) wait = Math.min(2 * wait, longestWait);
  }

  // Ends the stream, and says so: that a connection has ended is not always seen at the other end.
  function rest() {
    clearTimeout(timer);
    if (!stream) return;
    stream.abort();
    stream = undefined;
    navigator.sendBeacon?.(events, JSON.stringify({ ends: id }));
  }

  // Begins to listen anew, as there is more to say.
  let again;
  function listenAgain() {
    if (above()) return above().listenAgain();
    again ??= setTimeout(() => {
      again = undefined;
      if (leaving) return;
      stream?.abort(); // the next one takes its place
      stream = undefined;
      listen();
    }, 250);
  }

  function seen() {
    if (above()) return;
    if (document.visibilityState === 'hidden') return rest();
    wait = firstWait;
    listen();
  }
  document.addEventListener('visibilitychange', seen);
  window.addEventListener('pageshow', (event) => event.persisted && seen());
  window.addEventListener('pagehide', rest);
  window.addEventListener('online', () => {
    rest();
    seen();
  });

  document.addEventListener('securitypolicyviolation', (event) => {
    if (forbidden || !event.blockedURI.startsWith(events) || event.disposition !== 'enforce') return;
    forbidden = true;
    console.warn(`previewd: this page cannot reload itself, as its Content-Security-Policy forbids ${events}. ` +
      `Add 'self' (or ${base.origin}) to ${event.effectiveDirective}.`);
  });

  Object.defineProperty(window, '__previewd', { value: { show, showAll, note, listenAgain } });

  new PerformanceObserver(() => gather() && (stream || above()) && listenAgain()).observe({ type: 'resource' });
  // What the page is made of is there when it is loaded, but one that takes long may change before.
  if (document.readyState === 'complete') listen();
  else {
    const late = setTimeout(listen, 1000);
    window.addEventListener('load', () => setTimeout(() => {
      clearTimeout(late);
      listen();
    }), { once: true });
  }
})();
