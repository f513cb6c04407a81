"use strict";
{
  const build = document.currentScript.dataset.build;
  const bar = document.querySelector("progress");
  const far = document.getElementById("far");
  const text = (n) => (n < 1e6 ? Math.round(n / 1e3) + " kB" : (n / 1e6).toFixed(1) + " MB");
  const ask = async () => {
    try {
      const answer = await fetch(build, { cache: "no-store" });
      const { state, done = 0, size } = await answer.json();
      if (state !== "fetching") {
        location.reload();
        return;
      }
      if (size) {
        bar.max = size;
        bar.value = done;
        far.textContent = text(done) + " of " + text(size);
      }
    } catch {
      // The server is away for a moment: the next question may find it.
    }
    setTimeout(ask, 500);
  };
  setTimeout(ask, 200);
}
