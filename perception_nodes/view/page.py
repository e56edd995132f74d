"""The live page: it asks for the newest scene five times a second and draws it.

Everything that comes from data is set as text or as an attribute, never as markup.
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Permanence</title>
<style>
:root { --ink: #1c2430; --faint: #66707f; --well: #f3f5f8; --line: #d5dae2; --back: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --faint: #98a2b1; --well: #1d2229; --line: #39414d; --back: #14181d; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 14px; font: 14px/1.4 system-ui, sans-serif; color: var(--ink);
  background: var(--back); }
header { display: flex; gap: 14px; align-items: baseline; flex-wrap: wrap; margin-bottom: 10px; }
h1 { font-size: 17px; margin: 0; } h2 { font-size: 13px; margin: 14px 0 6px; color: var(--faint); }
#said { color: var(--faint); }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(360px, 1fr)); gap: 14px; }
#camera { position: relative; background: var(--well); border-radius: 6px; overflow: hidden; }
#camera img { display: block; width: 100%; }
#camera svg { position: absolute; inset: 0; width: 100%; height: 100%; }
#map { width: 100%; aspect-ratio: 4 / 3; background: var(--well); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
td, th { text-align: left; padding: 3px 8px 3px 0; border-bottom: 1px solid var(--line); }
th { color: var(--faint); font-weight: 500; }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 6px;
  border: 2px solid currentColor; }
#events { max-height: 260px; overflow: auto; margin: 0; padding: 0; list-style: none; }
#events li { padding: 2px 0; border-bottom: 1px solid var(--line); }
#events b { color: var(--faint); font-weight: 500; margin-right: 8px; }
form { display: flex; gap: 8px; } input { flex: 1; font: inherit; padding: 5px 8px; }
button { font: inherit; } #answer { white-space: pre-wrap; }
</style>
</head>
<body>
<header><h1 id="title">Permanence</h1><span id="said">waiting for the first image</span></header>
<main>
<section><div id="camera"><img id="image" alt="what the camera sees"><svg id="over"></svg></div>
<h2>Ask the memory</h2>
<form id="ask"><input id="question" placeholder="where is o1?" maxlength="200">
<button>Ask</button></form><p id="answer"></p></section>
<section><svg id="map"></svg><h2>Solid: seen. Dashed: hidden, where it is believed to be. Thin
lines: futures; arrows: who moves whom; thick: the plan.</h2></section>
<section><h2>Objects</h2><table><thead><tr><th>object</th><th>state</th><th>place, m</th>
<th>&#177; cm</th><th>unseen, s</th></tr></thead><tbody id="objects"></tbody></table></section>
<section><h2>Events</h2><ol id="events"></ol></section>
</main>
<script>
"use strict";
const el = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const make = (parent, name, attributes, text) => {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node); return node; };
const fixed = (value, digits) => value === null ? "?" : value.toFixed(digits);
const known = (points) => points.filter((p) => p.every((v) => v !== null));
const name = (o) => o.label ? `${o.label} (${o.id})` : o.id;
let shown = null, view = null;

function overlay(s) {
  const svg = el("over"); svg.replaceChildren();
  if (!s.picture) return;
  svg.setAttribute("viewBox", `0 0 ${s.picture.width} ${s.picture.height}`);
  const by = new Map(s.objects.map((o) => [o.id, o]));
  for (const line of s.picture.outlines) {
    const o = by.get(line.id), color = o ? o.color : "#999";
    const seen = line.visibility === "VISIBLE";
    if (line.mask) make(svg, "path", { d: line.mask, fill: color, "fill-opacity": 0.25,
      stroke: color, "stroke-width": 1.5 });
    if (line.box && !seen) make(svg, "path", { d: line.box, fill: "none", stroke: color,
      "stroke-width": 1.5, "stroke-dasharray": "5 4" });
    if (o) make(svg, "text", { x: line.anchor[0], y: line.anchor[1], fill: color,
      "text-anchor": "middle", "font-size": 14, "paint-order": "stroke", stroke: "#000",
      "stroke-width": 3, "font-style": seen ? "normal" : "italic" }, name(o)); } }

function bounds(s) {
  const points = s.objects.flatMap((o) => known(o.ground));
  if (s.camera) points.push(s.camera.place);
  for (const p of s.people) points.push(...known(p.joints));
  if (!points.length) return view || [-1, -1, 1, 1];
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  const b = [Math.min(...xs) - 0.2, Math.min(...ys) - 0.2, Math.max(...xs) + 0.2,
    Math.max(...ys) + 0.2];
  view = view ? [Math.min(view[0], b[0]), Math.min(view[1], b[1]), Math.max(view[2], b[2]),
    Math.max(view[3], b[3])] : b;
  return view; }

function drawMap(s) {
  const svg = el("map"); svg.replaceChildren();
  const b = bounds(s), unit = Math.max(b[2] - b[0], (b[3] - b[1]) * 4 / 3) / 400;
  svg.setAttribute("viewBox", `${b[0]} ${-b[3]} ${b[2] - b[0]} ${b[3] - b[1]}`);
  const line = (points, more) => make(svg, "polyline", { fill: "none", "stroke-width": unit,
    points: known(points).map((p) => `${p[0]},${-p[1]}`).join(" "), ...more });
  const by = new Map(s.objects.map((o) => [o.id, o]));
  for (const o of s.objects) {
    const lost = o.visibility === "LOST";
    make(svg, "polygon", { points: known(o.ground).map((p) => `${p[0]},${-p[1]}`).join(" "),
      fill: o.color, "fill-opacity": o.hidden ? 0.06 : 0.35, stroke: o.color,
      "stroke-width": 1.5 * unit, "stroke-opacity": lost ? 0.3 : 1,
      "stroke-dasharray": o.hidden ? `${4 * unit} ${3 * unit}` : "none" });
    if (o.hidden && o.deviation !== null && o.place[0] !== null) make(svg, "circle", {
      cx: o.place[0], cy: -o.place[1], r: 2 * o.deviation, fill: "none", stroke: o.color,
      "stroke-width": 0.6 * unit, "stroke-opacity": 0.6 });
    if (o.place[0] !== null) make(svg, "text", { x: o.place[0], y: -o.place[1],
      fill: "currentColor", "font-size": 11 * unit, "text-anchor": "middle",
      "font-style": o.hidden ? "italic" : "normal", "opacity": lost ? 0.4 : 1 }, name(o)); }
  for (const f of s.futures) line(f.path, { stroke: (by.get(f.id) || {}).color || "#999" });
  for (const i of s.influences) {
    const from = by.get(i.source), to = by.get(i.target);
    if (from && to && i.strength > 0.1) line([from.place, to.place], { stroke: "#e0523f",
      "stroke-width": unit * (0.5 + 3 * i.strength), "stroke-opacity": 0.7 }); }
  for (const p of s.people) for (const [a, c] of p.bones) {
    const ends = known([p.joints[a], p.joints[c]]);
    if (ends.length === 2) line(ends, { stroke: "#b05cc9", "stroke-width": 2 * unit }); }
  if (s.plan) line(s.plan.tip, { stroke: "#1fa574", "stroke-width": 3 * unit });
  if (s.camera) { const c = s.camera, r = 40 * unit;
    const ray = (turn) => [c.place[0] + r * Math.cos(c.heading + turn),
      c.place[1] + r * Math.sin(c.heading + turn)];
    line([ray(c.half_angle), c.place, ray(-c.half_angle)], { stroke: "currentColor" }); } }

function tables(s) {
  const rows = s.objects.map((o) => {
    const row = document.createElement("tr"), dot = document.createElement("span");
    dot.className = "dot"; dot.style.color = o.color;
    if (!o.hidden) dot.style.background = o.color;
    const cells = [name(o), o.visibility.toLowerCase().replaceAll("_", " "),
      o.place.map((v) => fixed(v, 2)).join(", "),
      o.deviation === null ? "?" : fixed(100 * o.deviation, 1), fixed(o.unseen, 1)];
    row.append(...cells.map((text) => { const cell = document.createElement("td");
      cell.textContent = text; return cell; }));
    row.firstChild.prepend(dot); return row; });
  el("objects").replaceChildren(...rows);
  el("events").replaceChildren(...s.events.map((e) => { const item = document.createElement("li");
    const time = document.createElement("b"); time.textContent = `${fixed(e.seconds, 1)} s`;
    item.append(time, e.text); return item; })); }

async function look() {
  try {
    const s = await (await fetch("state.json")).json();
    el("title").textContent = s.title; el("ask").hidden = !s.answers;
    if (s.stamp !== undefined && s.stamp !== shown) {
      shown = s.stamp;
      if (s.picture) el("image").src = `camera.jpg?${s.stamp}`;
      overlay(s); drawMap(s); tables(s); }
    if (s.stamp !== undefined) el("said").textContent = s.ended || [`${fixed(s.seconds, 1)} s`,
      s.plan ? `plan: ${s.plan.status.toLowerCase()} ${s.plan.reason}` : ""].join("  ");
  } catch (error) { el("said").textContent = "the run has ended"; }
  setTimeout(look, 200); }

el("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const q = encodeURIComponent(el("question").value);
  el("answer").textContent = (await (await fetch(`ask?q=${q}`)).json()).answer; });
look();
</script>
</body>
</html>
"""
