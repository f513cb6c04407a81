// Two threads share one memory, which browsers allow only to a page that is isolated from other origins.
const said = document.getElementById('said');
if (!crossOriginIsolated) {
  said.textContent = `not isolated; SharedArrayBuffer is ${typeof SharedArrayBuffer}`;
} else {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const worker = new Worker(new URL('worker.mjs', import.meta.url), { type: 'module' });
  worker.onmessage = () => {
    const [value] = new Int32Array(memory.buffer);
    said.textContent = `isolated; the other thread has written ${value}`;
  };
  worker.onerror = (e) => { said.textContent = `the worker failed: ${e.message}`; };
  worker.postMessage(memory);
}
