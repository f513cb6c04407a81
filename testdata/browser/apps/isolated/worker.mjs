onmessage = ({ data: memory }) => {
  Atomics.store(new Int32Array(memory.buffer), 0, 42);
  postMessage('written');
};
