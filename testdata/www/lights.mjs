// Fills the table from lights/list.json and keeps each lamp's rhythm.

const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

/** lit says whether a light shows at t seconds: its phases are seconds of light and dark in turn. */
export function lit(phases, t) {
  const period = phases.reduce((sum, seconds) => sum + seconds, 0);
  let rest = t % period;
  for (const [i, seconds] of phases.entries()) {
    if (rest < seconds) return i % 2 === 0;
    rest -= seconds;
  }
  return false;
}

function row(light) {
  const tr = document.createElement("tr");
  const lamp = document.createElement("span");
  lamp.className = "lamp";
  for (const content of [lamp, light.name, light.character, `${light.height} m`, light.since]) {
    tr.insertCell().append(content);
  }
  return { tr, lamp };
}

const answer = await fetch("lights/list.json");
const { lights } = await answer.json();
const rows = lights.map(row);
document.getElementById("lights").append(...rows.map(({ tr }) => tr));
document.getElementById("status").textContent = `${lights.length} lights, all in order.`;

function tick(milliseconds) {
  rows.forEach(({ lamp }, i) => lamp.classList.toggle("on", still || lit(lights[i].phases, milliseconds / 1000)));
  if (!still) requestAnimationFrame(tick);
}
requestAnimationFrame(tick);
