"""The page of ``view`` as HTML and JavaScript; ``view`` puts records, texts and the plotting library in."""

# The browser refuses every load from elsewhere: the policy below names no source but the page itself.
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>%TITLE%</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<style>
body { font: 15px/1.45 system-ui, sans-serif; color: #222; margin: .8rem 1.2rem; }
h1 { font-size: 1.2rem; margin: 0 0 .5rem; }
form { display: flex; flex-wrap: wrap; gap: .4rem .9rem; align-items: end; }
label, fieldset { font-size: .8rem; color: #555; border: 0; padding: 0; margin: 0; }
select, input[type=number] { display: block; font: inherit; font-size: .95rem; color: #222; padding: .15rem .3rem; max-width: 16rem; }
input[type=number] { width: 5.6rem; }
#maps { height: 54vh; min-height: 380px; } #lines { height: 31vh; min-height: 230px; }
#note { font-size: .85rem; margin: .4rem 0 0; min-height: 1.3em; }
.box { display: inline-block; width: .8em; height: .8em; border: 1px solid #555; vertical-align: -1px; }
details { font-size: .9rem; margin-top: .5rem; } p { margin: .3rem 0; }
table { border-collapse: collapse; margin: .6rem 0; }
caption { text-align: left; font-weight: 600; }
th, td { border-bottom: 1px solid #ddd; padding: .15rem .6rem; text-align: left; }
</style></head><body>
<h1>%TITLE%</h1>
<form onsubmit="return false">
<label>class<select id="class"></select></label>
<label>real record<select id="real"></select></label>
<label id="synthetic_label">synthetic record<select id="synthetic"></select></label>
<label>colour<select id="scale"><option value="linear">linear</option><option value="log">logarithmic</option></select></label>
<label><span id="top_name"></span><input id="top" type="number" step="any"></label>
<label><span id="fast_name"></span><input id="fast" type="number" step="any"></label>
<label><span id="slow_name"></span><input id="slow" type="number" step="any"></label>
<label title="a click on a map does the same"><input id="fixed" type="checkbox"> cursor stays</label>
</form>
<p id="note"></p>
<div id="maps"></div>
<div id="lines"></div>
<details open><summary>What is shown</summary>
<p>Drag zooms, the wheel zooms, a double click goes back. The cursor follows the mouse until a click, and again after the next.
The maps move together, and the curves with them. Grey: nothing was measured there.</p>
<p id="range"></p>
%ABOUT%
</details>
<script>%LIBRARY%</script>
<script type="application/json" id="data">%DATA%</script>
<script>
"use strict";
const D = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const R = D.slow.centres.length, T = D.fast.centres.length, both = D.synthetic !== null;
const ABOVE = "#ff1f1f", BELOW = "#ffffff";
const DIVERGING = [[0, "#2166ac"], [.25, "#92c5de"], [.5, "#f7f7f7"], [.75, "#f4a582"], [1, "#b2182b"]];
const state = {log: false, top: D.top, i: D.start[0], j: D.start[1], real: null, synthetic: null};
const floor = Math.max(D.low, D.high / 1000);  // logarithmic colours cover three decades

// Names may hold any sign; the plotting library reads tags in texts.
const plain = text => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const short = text => text.length <= 36 ? text : text.slice(0, 17) + "…" + text.slice(-18);
const number = v => v.toLocaleString("en", {maximumSignificantDigits: 5}).replace("-", "−");
const measure = (v, unit) => number(v) + (unit ? " " + unit : "");
const percent = share => share < 1e-4 ? "less than 0.01 %" : number(Number((100 * share).toPrecision(2))) + " %";

const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
function values(record) {  // R rows of T values
  const codes = new Uint16Array(bytes(record.codes).buffer);
  return Array.from({length: R}, (_, i) =>
    Array.from(codes.subarray(i * T, (i + 1) * T), code => record.low + record.step * code));
}
function outside(record) {  // 1 where a point holds a value above the measured range, 0 below it, else null
  const rows = Array.from({length: R}, () => new Array(T).fill(null));
  for (const [side, mark] of [["below", 0], ["above", 1]]) {
    if (!record.outside[side]) continue;
    const bits = bytes(record.outside[side].bits);
    for (let n = 0; n < R * T; n++) if (bits[n >> 3] >> (7 - (n & 7)) & 1) rows[Math.floor(n / T)][n % T] = mark;
  }
  return rows;
}
const mapped = (rows, to) => rows.map(row => row.map(to));

function decades(low, high) {
  const found = [];
  for (let k = Math.floor(Math.log10(low)); k <= Math.log10(high); k++)
    for (const m of [1, 2, 5]) if (m * 10 ** k >= low * .999 && m * 10 ** k <= high * 1.001) found.push(m * 10 ** k);
  return found;
}
function bar(x, title, ticks) {
  return {x, xpad: 4, thickness: 14, len: 1, title: {text: plain(title), side: "right"}, exponentformat: "power",
    minexponent: 5, separatethousands: true, outlinewidth: 0, ...ticks};
}
function intensity(rows, axis, more) {  // a map in the colours of the measured range
  const low = state.log ? Math.log10(floor) : D.low, high = state.log ? Math.log10(state.top) : state.top;
  const z = state.log ? mapped(rows, v => Math.log10(Math.max(v, floor))) : rows;
  return {...heat(z, rows, axis), zmin: low, zmax: high > low ? high : low + 1, colorscale: "Viridis", ...more};
}
function heat(z, customdata, axis) {
  return {type: "heatmap", z, customdata, x: D.fast.edges, y: D.slow.edges, xaxis: "x" + axis, yaxis: "y" + axis, showscale: false,
    hovertemplate: `%{customdata:,.5~g} ${plain(D.unit)}<br>${D.fast.name} %{x:.5~g} ${plain(D.fast.unit)}` +
      `<br>${D.slow.name} %{y:.5~g} ${plain(D.slow.unit)}<extra></extra>`};
}
function scaleBar(x) {
  const t = decades(floor, state.top);
  const ticks = state.log ? {tickvals: t.map(Math.log10), ticktext: t.map(number)} : {};
  if (state.log && D.low < floor) {
    ticks.tickvals = [Math.log10(floor), ...t.filter(v => v > 1.2 * floor).map(Math.log10)];
    ticks.ticktext = ["≤ " + number(floor), ...t.filter(v => v > 1.2 * floor).map(number)];
  }
  return {showscale: true, colorbar: bar(x, D.value, ticks)};
}
function difference(rows) {
  let largest = 0;
  for (const row of rows) for (const v of row) largest = Math.max(largest, Math.abs(v));
  largest = Math.min(largest, Math.abs(state.top - D.low)) || 1;
  const small = largest / 1000, to = v => Math.sign(v) * Math.log10(1 + Math.abs(v) / small);
  const z = state.log ? mapped(rows, to) : rows, end = state.log ? to(largest) : largest;
  const marks = decades(largest / 150, largest).filter(v => /^[1-9]*1/.test(v.toExponential()));
  const around = [...marks.map(v => -v).reverse(), 0, ...marks];
  const ticks = state.log ? {tickvals: around.map(to), ticktext: around.map(number)} : {};
  return {...heat(z, rows, 3), zmin: -end, zmax: end, colorscale: DIVERGING, showscale: true,
    colorbar: bar(.945, "difference" + (D.unit ? ` [${D.unit}]` : ""), ticks)};
}

const mapsLayout = {margin: {l: 70, r: 10, t: 34, b: 48}, plot_bgcolor: "#bdbdbd", showlegend: false, dragmode: "zoom",
  font: {size: 12, color: "#222"}, hovermode: "closest", shapes: [], annotations: []};
const linesLayout = {margin: {l: 70, r: 10, t: 30, b: 46}, font: {size: 12, color: "#222"}, hovermode: "x",
  legend: {orientation: "h", x: .47, xanchor: "right", y: 1.02, yanchor: "bottom"}, shapes: [], annotations: []};
const ends = axis => { const e = axis.edges, n = e.length - 1; return e[0] < e[n] ? [e[0], e[n]] : [e[n], e[0]]; };
const domains = both ? [[0, .265], [.29, .555], [.66, .94]] : [[0, .93]];
const grid = {nticks: 8, showgrid: false, zeroline: false, ticks: "outside"};
domains.forEach((domain, k) => {
  const n = k ? String(k + 1) : "";
  mapsLayout["xaxis" + n] = {...grid, domain, anchor: "y" + n, range: ends(D.fast), title: {text: plain(D.fast.label), standoff: 6}};
  mapsLayout["yaxis" + n] = {...grid, anchor: "x" + n, range: ends(D.slow), showticklabels: !k};
  if (k) { mapsLayout["xaxis" + n].matches = "x"; mapsLayout["yaxis" + n].matches = "y"; }
});
mapsLayout.yaxis.title = {text: plain(D.slow.label), standoff: 6};
for (const [n, axis, domain] of [["", D.slow, [0, .46]], ["2", D.fast, [.54, 1]]]) {
  linesLayout["xaxis" + n] = {zeroline: false, ticks: "outside", domain, anchor: "y" + n, range: ends(axis),
    title: {text: plain(axis.label), standoff: 6}};
  linesLayout["yaxis" + n] = {zeroline: false, ticks: "outside", anchor: "x" + n, exponentformat: "power", minexponent: 5,
    separatethousands: true, title: {text: n ? "" : plain(D.value), standoff: 6}};
}
const config = {responsive: true, scrollZoom: true, displaylogo: false, doubleClick: "reset",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"]};

function heading(k, text) {
  const [from, to] = domains[k];
  return {text: `<b>${plain(text)}</b>`, x: (from + to) / 2, y: 1, xref: "paper", yref: "paper", xanchor: "center", yanchor: "bottom",
    showarrow: false, font: {size: 13}};
}
const find = (kind, k) => D[kind] && D[kind][$("class").value][k];
function draw() {  // the records that the lists name
  const one = find("real", $("real").value), other = both && find("synthetic", $("synthetic").value);
  state.real = values(one);
  state.synthetic = other ? values(other) : null;
  const traces = [intensity(state.real, "", both ? {} : scaleBar(.935))];
  mapsLayout.annotations = [heading(0, "real: " + short(one.name))];
  if (both) {
    const none = Array.from({length: R}, () => new Array(T).fill(null));
    traces.push(intensity(state.synthetic || none, 2, scaleBar(.56)));
    traces.push({...heat(other ? outside(other) : none, null, 2), zmin: 0, zmax: 1, colorscale: [[0, BELOW], [1, ABOVE]],
      hoverinfo: "skip", hovertemplate: null});
    traces.push(difference(other ? state.real.map((row, i) => row.map((v, j) => state.synthetic[i][j] - v)) : none));
    mapsLayout.annotations.push(heading(1, other ? "synthetic: " + short(other.name) : "no synthetic record of this class"),
      heading(2, "synthetic − real"));
  }
  const group = r => r && r.group ? ` (group ${r.group})` : "";
  const said = [`real: ${one.name}${group(one)}`];
  if (other) {
    said.push(`synthetic: ${other.name}${group(other)}`);
    const far = Object.entries(other.outside).map(([side, o]) => `${percent(o.share)} of its values ${side} the measured range`);
    said.push(far.length ? far.join(", ") : "all its values lie in the measured range");
  }
  $("note").textContent = said.join(" · ");
  return Plotly.react("maps", traces, mapsLayout, config).then(trace);
}
function trace() {  // curves and lines through the cursor
  const slow = D.slow.centres[state.i], fast = D.fast.centres[state.j];
  $("slow").value = Number(slow.toPrecision(6)); $("fast").value = Number(fast.toPrecision(6));
  const traces = [];
  [["real", state.real], ["synthetic", state.synthetic]].forEach(([name, rows], k) => {
    if (!rows) return;
    const line = {type: "scatter", name, mode: Math.min(R, T) > 1 ? "lines" : "lines+markers", legendgroup: name,
      line: {color: D.colours[k], width: 1.5},
      hovertemplate: `%{y:,.5~g} ${plain(D.unit)}`};
    traces.push({...line, x: D.slow.centres, y: rows.map(row => row[state.j])});
    traces.push({...line, x: D.fast.centres, y: rows[state.i], xaxis: "x2", yaxis: "y2", showlegend: false});
  });
  const chromatogram = D.slow.name === "retention time" ? "chromatogram" : "along " + D.slow.name;
  const spectrum = D.fast.name === "drift time" ? "spectrum" : "along " + D.fast.name;
  const title = (text, x) => ({text: `<b>${plain(text)}</b>`, x, y: 1, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom",
    showarrow: false, font: {size: 13}});
  linesLayout.annotations = [title(`${chromatogram} at ${D.fast.name} ${measure(fast, D.fast.unit)}`, 0),
    title(`${spectrum} at ${D.slow.name} ${measure(slow, D.slow.unit)}`, .54)];
  const upright = (n, x) => ({type: "line", xref: "x" + n, yref: `y${n} domain`, x0: x, x1: x, y0: 0, y1: 1});
  linesLayout.shapes = [["", slow], ["2", fast]].map(([n, x]) => ({...upright(n, x), line: {color: "#999", width: 1, dash: "dot"}}));
  const shapes = domains.flatMap((_, k) => {
    const n = k ? String(k + 1) : "", line = {color: k == 2 ? "#222" : "#fff", width: 1, dash: "dot"};
    return [{...upright(n, fast), line}, {type: "line", xref: `x${n} domain`, yref: "y" + n, x0: 0, x1: 1, y0: slow, y1: slow, line}];
  });
  return Promise.all([Plotly.relayout("maps", {shapes}), Plotly.react("lines", traces, linesLayout, config)]);
}

let waiting = false;
function cursor(i, j) {
  [state.i, state.j] = [i, j];
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; trace(); });
}
const nearest = (list, v) => list.reduce((best, c, k) => Math.abs(c - v) < Math.abs(list[best] - v) ? k : best, 0);
function follow(from, to, pairs) {  // the axes of one figure take the ranges of the other
  const change = {};
  for (const [mine, theirs] of pairs) {
    const wanted = $(from).layout[mine].range, there = $(to).layout[theirs].range;
    if (wanted.some((v, k) => v !== there[k])) change[theirs + ".range"] = wanted.slice();
  }
  return Object.keys(change).length ? Plotly.relayout(to, change) : null;
}
function fill(list, records) {
  list.replaceChildren(...records.map((r, k) => new Option(r.group ? `${r.name} (group ${r.group})` : r.name, k)));
}
function colours_end(value) {  // the value of the highest colour; without one, or with one that cannot be, the usual one
  state.top = value > (state.log ? floor : D.low) ? value : state.log ? D.high : D.top;
  $("top").value = Number(state.top.toPrecision(6));
}
function choose() {  // a class
  fill($("real"), D.real[$("class").value]);
  if (both) fill($("synthetic"), D.synthetic[$("class").value]);
  return draw();
}

$("class").replaceChildren(...D.classes.map((name, k) => new Option(name, k)));
$("synthetic_label").hidden = !both;
$("fast_name").textContent = D.fast.label; $("slow_name").textContent = D.slow.label;
$("top_name").textContent = "colours end at" + (D.unit ? ` [${D.unit}]` : "");
$("scale").options[1].disabled = D.high <= 0;
$("range").textContent = `Measured range: ${number(D.low)} to ${measure(D.high, D.unit)}, the lowest and highest value of all real records. ` +
  "What lies beyond an end of the colours has the colour of that end. " +
  (D.high > 0 ? `Logarithmic colours begin at ${measure(floor, D.unit)}. ` : "") +
  (both ? "Synthetic points that hold a value outside the measured range: " : "");
if (both) for (const [colour, text] of [[ABOVE, " above "], [BELOW, " below "]]) {
  const box = document.createElement("span");
  box.className = "box"; box.style.background = colour;
  $("range").append(box, text);
}
colours_end();
choose().then(() => {
  $("maps").on("plotly_hover", e => { if (!$("fixed").checked) cursor(...e.points[0].pointNumber); });
  $("maps").on("plotly_click", e => { $("fixed").checked = !$("fixed").checked; cursor(...e.points[0].pointNumber); });
  $("maps").on("plotly_relayout", () => follow("maps", "lines", [["xaxis", "xaxis2"], ["yaxis", "xaxis"]]));
  $("lines").on("plotly_relayout", () => follow("lines", "maps", [["xaxis2", "xaxis"], ["xaxis", "yaxis"]]));
  document.body.dataset.ready = "yes";
});
$("class").addEventListener("change", choose);
for (const id of ["real", "synthetic"]) $(id).addEventListener("change", draw);
$("scale").addEventListener("change", () => { state.log = $("scale").value === "log"; colours_end(); draw(); });
$("top").addEventListener("change", () => { colours_end(Number($("top").value)); draw(); });
for (const id of ["slow", "fast"]) $(id).addEventListener("change", () => {
  $("fixed").checked = true;
  [state.i, state.j] = [["slow", D.slow], ["fast", D.fast]].map(([box, axis]) => nearest(axis.centres, Number($(box).value)));
  trace();
});
</script></body></html>
"""
