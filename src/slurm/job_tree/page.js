/* What the page can do beside being looked at: arrows that follow folding, neighbours that light up, folding at once. */
"use strict";
document.documentElement.classList.add("js");
const about = document.getElementById("about");
const line = id => document.getElementById(id);
const charts = [...document.querySelectorAll(".chart")];

// The row that shows where a job is: its own, or the folded one around it.
function shown(row) {
  let found = row;
  for (let up = row.parentElement.closest(".row"); up; up = up.parentElement.closest(".row"))
    if (!up.open) found = up;
  return found;
}

function middle(row, chart) {
  const box = row.firstElementChild.getBoundingClientRect();
  return box.height ? box.top + box.height / 2 - chart.getBoundingClientRect().top - chart.clientTop : null;
}

function redraw(chart) {
  const moves = [...chart.querySelectorAll(".arrow")].map(arrow => {
    const from = shown(line(arrow.dataset.from)), to = shown(line(arrow.dataset.to));
    return [arrow, from === to ? null : middle(from, chart), middle(to, chart)];
  });
  for (const [arrow, from, to] of moves) {
    const hidden = from === null || to === null;
    arrow.style.display = hidden ? "none" : "";
    if (hidden) continue;
    const down = to > from ? 1 : -1, [upright, along] = arrow.children;
    upright.setAttribute("y1", from + down * 8);
    upright.setAttribute("y2", along ? to : to - down * 8);
    if (along) { along.setAttribute("y1", to); along.setAttribute("y2", to); }
  }
  chart.querySelector(".arrows").setAttribute("height", chart.clientHeight);
}

let waiting = new Set();
function redrawSoon(chart) {
  if (!waiting.size) requestAnimationFrame(() => { const now = waiting; waiting = new Set(); now.forEach(redraw); });
  waiting.add(chart);
}

const before = row => (row.dataset.after || "").split(" ").filter(Boolean);
const behind = new Map();
for (const row of document.querySelectorAll(".row[data-after]"))
  for (const id of before(row)) behind.set(id, [...(behind.get(id) || []), row.id]);

function point(summary) {
  for (const near of document.querySelectorAll(".near")) near.classList.remove("near");
  about.textContent = summary ? summary.title.split("\n").join("  \u00b7  ") : "";
  if (!summary) return;
  const row = summary.parentElement;
  for (const id of [...before(row), ...(behind.get(row.id) || [])].slice(0, 200)) shown(line(id)).classList.add("near");
  row.classList.remove("near");
  for (const arrow of row.closest(".chart").querySelectorAll(".arrow"))
    if (arrow.dataset.from === row.id || arrow.dataset.to === row.id) arrow.classList.add("near");
}

const summaryAt = event => event.target.closest ? event.target.closest(".row > summary") : null;
document.addEventListener("mouseover", event => point(summaryAt(event)));
document.addEventListener("focusin", event => point(summaryAt(event)));
document.addEventListener("toggle", event => {
  const chart = event.target.closest(".chart") || event.target.querySelector(".chart");
  if (chart) redrawSoon(chart);
}, true);
window.addEventListener("resize", () => charts.forEach(redrawSoon));
document.addEventListener("click", event => {
  const link = event.target.closest("a[href^='#']");
  if (!link) return;
  const row = line(link.hash.slice(1));
  for (let up = row.parentElement.closest("details"); up; up = up.parentElement.closest("details")) up.open = true;
  row.firstElementChild.focus();
});

function button(label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", () => { act(made); charts.forEach(redrawSoon); });
  document.getElementById("tools").append(made);
}
const folders = [...document.querySelectorAll(".row:not(.leaf)")];
if (document.querySelector(".row.folded")) {
  button("Unfold all", () => folders.forEach(row => { row.open = true; }));
  button("Fold all", () => folders.forEach(row => { row.open = row.classList.contains("workflow"); }));
}
if (document.querySelector(".row.bad") && document.querySelector(".row:not(.bad)"))
  button("Only what went wrong", made => {
    made.setAttribute("aria-pressed", document.body.classList.toggle("only-bad"));
  });
