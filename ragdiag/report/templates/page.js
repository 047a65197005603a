"use strict";
(function () {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const config = { displayModeBar: false, responsive: true, displaylogo: false };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const drawn = [];
  if (figures.map) {
    // Each text stands in the file once; traces name it by its number.
    const spell = (trace) => { trace.text = trace.text.map((number) => figures.map.texts[number]); };
    figures.map.data.forEach(spell);
    Object.values(figures.map.tsne || {}).forEach(spell);
  }

  function looks(printing) {
    const night = dark.matches && !printing;
    const ink = night ? "#c3cad3" : "#3d4650";
    const look = {
      "font.color": ink,
      "hoverlabel.bgcolor": night ? "#2a3038" : "#ffffff",
      "hoverlabel.font.color": night ? "#e6e9ed" : "#1c2128",
      "hoverlabel.bordercolor": night ? "#57606a" : "#9aa3ad",
    };
    for (const axis of ["xaxis", "yaxis"]) {
      look[axis + ".tickfont.color"] = ink;
      look[axis + ".title.font.color"] = ink;
    }
    return look;
  }

  function paint(printing) {
    for (const place of drawn) Plotly.relayout(place, looks(printing));
  }

  function draw(place) {
    const figure = figures[place.dataset.figure];
    // Narrow screens scroll by dragging; there a figure must not catch it.
    if (matchMedia("(pointer: coarse)").matches) figure.layout.dragmode = false;
    place.style.height = figure.layout.height + "px";
    delete figure.layout.height;
    figure.layout.autosize = true;
    Plotly.newPlot(place, figure.data, figure.layout, config);
    drawn.push(place);
    Plotly.relayout(place, looks(false));
  }

  document.querySelectorAll("[data-figure]").forEach(draw);
  dark.addEventListener("change", () => paint(false));
  addEventListener("beforeprint", () => paint(true));
  addEventListener("afterprint", () => paint(false));

  const map = document.querySelector('[data-figure="map"]');
  if (!map) return;
  const status = document.getElementById("map-status");
  const layers = document.querySelectorAll('input[name="layer"]');
  const first = figures.map.data.map((trace) => ({ x: trace.x, y: trace.y, text: trace.text }));
  const names = figures.map.data.map((trace) => trace.meta);
  const titles = [figures.map.layout.xaxis.title.text, figures.map.layout.yaxis.title.text];
  const second = figures.map.tsne;
  if (!second) document.querySelector('input[value="tsne"]').disabled = true;

  function say() {
    const shown = map.data.filter((trace) => trace.visible === true).map((trace) => trace.name + " " + trace.x.length);
    status.textContent = shown.length ? "Shown: " + shown.join(", ") + "." : "No layer is shown.";
  }

  function layer(event) {
    const row = names.indexOf(event.target.value);
    if (row >= 0) Plotly.restyle(map, { visible: event.target.checked }, [row]).then(say);
  }

  function layout(event) {
    const embedded = event.target.value === "tsne";
    const places = names.map((name, row) => (embedded ? second[name] || { x: [], y: [], text: [] } : first[row]));
    const axes = embedded ? ["t-SNE, first axis", "t-SNE, second axis"] : titles;
    Plotly.update(
      map,
      { x: places.map((p) => p.x), y: places.map((p) => p.y), text: places.map((p) => p.text) },
      { "xaxis.title.text": axes[0], "yaxis.title.text": axes[1], "xaxis.autorange": true, "yaxis.autorange": true },
    ).then(say);
  }

  layers.forEach((box) => box.addEventListener("change", layer));
  document.querySelectorAll('input[name="layout"]').forEach((box) => box.addEventListener("change", layout));
  map.on("plotly_legendclick", () => false);
  map.on("plotly_legenddoubleclick", () => false);
  say();
})();
