"use strict";
// Links time, key frames and map. Everything is legible without this script.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const root = document.documentElement;
  const SVG = "http://www.w3.org/2000/svg";
  const lanes = $("tl"), now = $("now"), stage = $("stage"), strip = $("strip");
  let time = 0, shown = -1, hovered = null, solo = false;
  root.classList.add("scripted");

  const make = (name, attributes) => {
    const node = document.createElementNS(SVG, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    return node;
  };

  // The last sample at or before t; null before the first.
  const at = (samples, t) => {
    let low = 0, high = samples.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (samples[middle][0] <= t) low = middle + 1; else high = middle;
    }
    return low ? samples[low - 1] : null;
  };

  const showFrame = (k) => {
    if (k === shown || !stage) return;
    dim(false);
    shown = k;
    dim(solo);
    const [, width, height] = data.keys[k];
    stage.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const uses = stage.querySelectorAll("use");
    uses[0].setAttribute("href", `#k${k}`);
    uses[1].setAttribute("href", `#l${k}`);
    const figures = strip.children;
    for (let i = 0; i < figures.length; i++) figures[i].classList.toggle("on", i === k);
    const words = figures[k].querySelector("figcaption").cloneNode(true);
    $("caption").replaceChildren(...words.childNodes);
  };

  const nearest = (t) => {
    let best = 0;
    data.keys.forEach((key, i) => {
      if (Math.abs(key[0] - t) < Math.abs(data.keys[best][0] - t)) best = i;
    });
    return best;
  };

  const drawNow = (t) => {
    const marks = [];
    for (const way of data.views) {
      const view = at(way, t);
      if (!view) continue;
      const group = make("g", { class: "eye" });
      group.append(view[3] === null
        ? make("circle", { cx: view[1], cy: view[2], r: 6 })
        : make("path", { d: "M0 0L15-7.5V7.5Z",
          transform: `translate(${view[1]} ${view[2]}) rotate(${-view[3] * 180 / Math.PI})` }));
      marks.push(group);
    }
    data.paths.forEach((path, index) => {
      const point = at(path, t);
      if (!point || point[3] === 3) return;
      const kind = (point[3] ? "dot hid" : "dot") + (hovered === String(index) ? " hot" : "");
      marks.push(make("circle", { class: kind, cx: point[1], cy: point[2], r: 4.5,
        "data-o": index, style: `--c:${data.colors[index]}` }));
    });
    now.replaceChildren(...marks);
  };

  const setTime = (t) => {
    time = Math.min(Math.max(t, 0), data.duration);
    root.classList.add("linked");
    $("head").style.left = `${data.duration ? 100 * time / data.duration : 0}%`;
    $("clock").textContent = `${time.toFixed(1)} s`;
    lanes.setAttribute("aria-valuenow", time.toFixed(2));
    drawNow(time);
    if (data.keys.length) showFrame(nearest(time));
  };

  // Pictures are shown through <use>, where only styles set on the original take effect.
  const dim = (others) => {
    document.querySelectorAll(`#k${shown} [data-o], #l${shown} [data-o]`).forEach((node) => {
      node.style.opacity = others && node.dataset.o !== hovered ? "0.25" : "";
    });
  };

  // Marks one object everywhere; with `alone`, all others step back.
  const hot = (index, alone) => {
    if (index === hovered && alone === solo) return;
    hovered = index;
    solo = alone;
    document.querySelectorAll(".hot").forEach((node) => node.classList.remove("hot"));
    root.classList.toggle("focus", alone);
    dim(alone);
    if (index === null) return;
    document.querySelectorAll(`[data-o="${index}"]`).forEach((node) => node.classList.add("hot"));
  };

  const scrub = (event) => {
    const box = lanes.querySelector(".over").getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    if (share >= -0.02 && share <= 1.02) setTime(share * data.duration);
  };
  lanes.addEventListener("pointermove", scrub);
  lanes.addEventListener("pointerdown", scrub);
  lanes.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    setTime(time + step * data.duration / 100);
  });
  const hover = (event) => {
    const node = event.target.closest("[data-o]");
    const alone = Boolean(node) && !event.target.closest(".bar");
    hot(node ? node.dataset.o : null, alone);
  };
  for (const place of [lanes, $("map")]) {
    place.addEventListener("pointerover", hover);
    place.addEventListener("pointerleave", () => hot(null, false));
  }
  strip.addEventListener("click", (event) => {
    const figure = event.target.closest("figure");
    if (figure) setTime(data.keys[figure.dataset.k][0]);
  });
  if ($("events")) $("events").addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-t]");
    if (row) setTime(Number(row.dataset.t));
  });
  if (data.keys.length) strip.children[data.first].classList.add("on");
  shown = data.first;
})();
