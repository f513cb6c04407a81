"use strict";
{
  const build = document.currentScript.dataset.build;
  const bar = document.querySelector("progress");
  const far = document.getElementById("far");
  // Like the text that the page came with: 1.5 kB, 100 kB, 2.0 MB.
  const text = (n) => {
    let unit = "";
    for (const larger of "kMGT") {
      if (n < 999.5) break;
      n /= 1000;
      unit = larger;
    }
    return n.toFixed(unit && n < 99.95 ? 1 : 0) + " " + unit + "B";
  };
  const ask = async () => {
    try {
      const answer = await fetch(build, { cache: "no-store" });
      const { state, done = 0, size } = answer.ok ? await answer.json() : {};
      if (answer.status < 500 && state !== "fetching") {
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
