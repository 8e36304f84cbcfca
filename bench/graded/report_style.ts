/** How the report looks: light and dark, from 360 px on. Colours were checked for contrast on both grounds. @module */
export const STYLE = `
:root { color-scheme: light dark; --ground: #fff; --card: #f6f7f9; --ink: #1b1f24; --soft: #57606a; --rule: #d8dee4;
  --one: #0b62c4; --two: #b3530a; --three: #6b3fa0; --good: #1a7f37; --bad: #c0202b; --slow: #9a670022; --down: #c0202b2e; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #0f1318; --card: #181d24; --ink: #e6e9ed; --soft: #9aa4af; --rule: #303841;
    --one: #6cb2ff; --two: #ffb066; --three: #c9a6ff; --good: #56d364; --bad: #ff7b72; --slow: #d2992226; --down: #ff7b7233; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 16px; max-width: 1200px; background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
h1 { font-size: 1.25rem; margin: 0 0 4px; }
h2 { font-size: 1.05rem; margin: 28px 0 8px; }
p { margin: 4px 0; }
small, .soft { color: var(--soft); font-weight: 400; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 8px; margin: 16px 0; }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 10px 12px; }
.tile b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.tile.good { border-left: 4px solid var(--good); } .tile.bad { border-left: 4px solid var(--bad); }
.charts { display: grid; grid-template-columns: 1fr; gap: 24px; }
@media (min-width: 1000px) { .charts { grid-template-columns: 1fr 1fr; } .charts figure:first-child { grid-column: 1 / -1; } }
figure { margin: 0; min-width: 0; }
figcaption { font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; list-style: none; margin: 2px 0 6px; padding: 0; font-size: .85rem; }
.legend svg { margin-right: 5px; vertical-align: middle; }
path { fill: none; stroke-width: 2; }
path.one { stroke: var(--one); } path.two { stroke: var(--two); } path.three { stroke: var(--three); }
path.grid { stroke: var(--rule); stroke-width: 1; }
.plot { display: grid; grid-template-columns: 40px 1fr 12px; font-size: .75rem; color: var(--soft); font-variant-numeric: tabular-nums; }
.y { position: relative; } .y span { position: absolute; right: 8px; transform: translateY(-50%); }
.area { position: relative; height: 210px; }
.area > svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.x { grid-column: 2; position: relative; height: 20px; margin-top: 4px; }
.x span { position: absolute; transform: translateX(-50%); }
.band { position: absolute; top: 0; bottom: 0; border-left: 1px dotted var(--soft); }
.band b { position: absolute; top: 0; left: 3px; font-size: .7rem; color: var(--ink); }
.band.slow, .key.slow { background: var(--slow); }
.band.down, .key.down { background: repeating-linear-gradient(135deg, var(--down) 0 4px, transparent 4px 8px), var(--slow); }
.key { display: inline-block; width: 22px; height: 12px; border: 1px dotted var(--soft); vertical-align: -1px; }
.mark { position: absolute; bottom: -3px; transform: translateX(-50%); font-size: .75rem; line-height: 1; }
.good > b, .mark.good, td.good { color: var(--good); } .bad > b, .mark.bad, td.bad { color: var(--bad); }
.mark.bad { font-size: 1rem; font-weight: 700; }
.column { position: absolute; top: 0; bottom: 0; } .column:hover { background: var(--ink); opacity: .12; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .87rem; }
th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
th { color: var(--soft); font-weight: 500; } td.n, th.n { text-align: right; white-space: nowrap; }
summary { cursor: pointer; margin: 20px 0 8px; font-weight: 600; }
footer { margin-top: 28px; border-top: 1px solid var(--rule); padding-top: 10px; font-size: .85rem; color: var(--soft); }
@media (max-width: 600px) { body { padding: 12px; } .x .odd { display: none; } .area { height: 180px; }
  th, td { padding-right: 8px; font-size: .8rem; } td.n, th.n { white-space: normal; }
  .tiles { grid-template-columns: 1fr 1fr; } .tile b { font-size: 1.1rem; } }
`;
