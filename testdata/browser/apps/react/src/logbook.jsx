import { useEffect, useState } from 'react';

// The entries are data that is fetched; one that is missing must be an error, not a page.
async function fetchJSON(name) {
  const answer = await fetch(import.meta.env.BASE_URL + name);
  if (!answer.ok) return `${name}: ${answer.status}`;
  return (await answer.json()).join(', ');
}

export default function Logbook() {
  const [entries, setEntries] = useState([]);
  useEffect(() => {
    Promise.all(['entries.json', 'missing.json', 'missing'].map(fetchJSON)).then(setEntries);
  }, []);
  return <><h1>Logbook</h1><ul>{entries.map((e) => <li key={e}>{e}</li>)}</ul></>;
}
