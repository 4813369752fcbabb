"""How the page looks, in light and in dark. The heights and widths in it are those of `timeline`."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --back: #fff; --ink: #1b1f24; --soft: #59626e; --line: #e3e6ea; --hover: #f3f5f8; --near: #fff4d6;
  --completed: #2b8a4b; --failed: #c92a2a; --running: #1c6dd0; --pending: #6b7480; --wait: #cfd5dc;
  --arrow: #98a1ac; --label: 37rem;
  font: 14px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171b; --ink: #e4e8ee; --soft: #9aa5b2; --line: #2b3138; --hover: #1d2228; --near: #3a3218;
    --completed: #4cb872; --failed: #f07070; --running: #62a4f2; --pending: #8e99a6; --wait: #3a424c;
    --arrow: #6f7a87;
  }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 1.25rem 1.5rem 4rem; background: var(--back); color: var(--ink); }
h1 { margin: 0; font-size: 1.4rem; overflow-wrap: anywhere; }
h2 { display: inline; font-size: 1rem; font-weight: 600; }
.where { margin: .25rem 0 .6rem; color: var(--soft); overflow-wrap: anywhere; }
.note { padding: .5rem .75rem; border-left: 3px solid var(--failed); background: var(--hover); }
.counts { display: flex; flex-wrap: wrap; gap: .4rem; margin: 0 0 .75rem; padding: 0; list-style: none; }
.counts li { padding: .1rem .6rem; border: 1px solid currentColor; border-radius: 1rem; }
.completed { --state: var(--completed); } .failed { --state: var(--failed); }
.running { --state: var(--running); } .pending { --state: var(--pending); }
.counts [class], .state b { color: var(--state); }
.tools { display: flex; flex-wrap: wrap; gap: .5rem; margin-bottom: .75rem; }
.tools:empty { display: none; }
button {
  padding: .25rem .7rem; border: 1px solid var(--line); border-radius: .35rem;
  background: var(--hover); color: inherit; font: inherit; cursor: pointer;
}
button[aria-pressed=true] { border-color: var(--failed); color: var(--failed); }
:focus-visible { outline: 2px solid var(--running); outline-offset: -2px; }
.timeline { margin-bottom: 1.5rem; }
.timeline > summary { padding: .3rem 0; cursor: pointer; }
.timeline > summary span { color: var(--soft); }
.chart { position: relative; min-width: 44rem; border: 1px solid var(--line); border-radius: .4rem; overflow: hidden; }
.axis { position: relative; height: 28px; border-bottom: 1px solid var(--line); }
.ticks { position: absolute; left: var(--label); right: 1.5rem; top: 0; height: 100%; }
.ticks i { position: absolute; top: 0; height: 100vh; border-left: 1px solid var(--line); }
.ticks b { padding-left: 4px; font-weight: 400; font-style: normal; font-size: 12px; line-height: 28px;
  color: var(--soft); white-space: nowrap; }
.row > summary {
  position: relative; display: flex; align-items: center; height: 30px; padding-right: 1.5rem;
  list-style: none; cursor: pointer; white-space: nowrap;
}
.row > summary::-webkit-details-marker { display: none; }
.row > summary:hover { background: color-mix(in srgb, var(--ink) 6%, transparent); }
.row.near > summary { background: color-mix(in srgb, #f5b301 16%, transparent); }
.cells { display: flex; flex: 0 0 var(--label); align-items: center; min-width: 0; }
.cells > span { overflow: hidden; text-overflow: ellipsis; }
.said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.name { flex: 1 1 0; padding-left: calc(.6rem + var(--depth) * 1.1rem); }
.name::before { content: ""; display: inline-block; width: 1rem; color: var(--soft); }
.row:not(.leaf) > summary .name { font-weight: 600; }
.row:not(.leaf) > summary .name::before { content: "\\25B8"; }
.row:not(.leaf)[open] > summary .name::before { content: "\\25BE"; }
.id { flex: 0 0 auto; max-width: 6rem; padding: 0 .5rem; color: var(--soft); font-variant-numeric: tabular-nums; }
.state { flex: 0 0 9.5rem; font-size: 12px; }
.state b { font-weight: 600; } .state b + b { margin-left: .5rem; }
.time { flex: 0 0 7rem; padding-right: .75rem; text-align: right; color: var(--soft); font-variant-numeric: tabular-nums; }
.track { position: relative; flex: 1; height: 30px; }
.track i { position: absolute; top: 7px; height: 16px; min-width: 3px; border-radius: 3px; }
.track .wait { top: 13px; height: 4px; min-width: 0; background: var(--wait); border-radius: 0; }
.track .run { background: var(--state); }
.track .going { -webkit-mask: linear-gradient(to right, #000 60%, #0006); mask: linear-gradient(to right, #000 60%, #0006); }
.failed > summary .run { background: repeating-linear-gradient(45deg, var(--failed) 0 5px, color-mix(in srgb, var(--failed) 65%, var(--back)) 5px 9px); }
.workflow > summary .run { top: 11px; height: 8px; }
.crowd { position: absolute; top: 7px; height: 16px; min-width: 3px; fill: var(--state); }
.failed > summary .crowd { fill: var(--completed); } .folded.failed > summary .crowd { opacity: .75; }
.track .wrong { width: 3px; background: var(--failed); border-radius: 0; }
.row > dl {
  position: relative; display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0; padding: .5rem 1.5rem .75rem 2.5rem;
  border-block: 1px solid var(--line); background: var(--hover);
}
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
a { color: var(--running); }
.arrows { position: absolute; left: var(--label); top: 0; width: calc(100% - var(--label) - 1.5rem); overflow: visible; pointer-events: none; }
.arrow line { stroke: var(--arrow); stroke-width: 1.25; stroke-dasharray: 3 2; } .arrow.plain line { stroke-dasharray: none; }
#tip path { fill: var(--arrow); fill: context-stroke; }
.arrow.near line { stroke: var(--ink); stroke-width: 1.75; }
html:not(.js) .chart:has(.leaf[open], .folded[open], .workflow:not([open])) > .arrows { display: none; }
.only-bad .row:not(.bad) { display: none; }
#about {
  position: fixed; inset: auto 0 0 0; padding: .4rem 1.5rem; border-top: 1px solid var(--line);
  background: var(--back); color: var(--soft); white-space: nowrap; overflow: hidden; text-overflow: ellipsis;
}
#about:empty { display: none; }
@media (max-width: 56rem) { :root { --label: 26rem; } .state { flex-basis: 7rem; } .time { flex-basis: 6.2rem; padding-right: .4rem; } body { padding-inline: .75rem; } main { overflow-x: auto; } }
@media print { .tools, #about { display: none; } .chart { overflow: visible; } }
"""
