// Draws every figure with a table whose first column is a time: one line per column with
// `data-series`, which names the colour. The table stays for screen readers.
"use strict";

function chart(figure) {
  const rows = [...figure.querySelectorAll("tbody tr")].reverse();
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const series = [...figure.querySelectorAll("th")]
    .map((head, place) => ({ place, label: head.textContent, colour: head.dataset.series }))
    .filter((one) => one.colour);
  const times = rows.map((row) => Date.parse(row.querySelector("time").dateTime) / 1000);
  const values = series.map((one) => rows.map((row) => Number(row.children[one.place].dataset.value)));
  const language = document.documentElement.lang;
  const numbers = new Intl.NumberFormat(language, { notation: "compact" });
  const days = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });
  const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
  const plot = figure.querySelector(".plot");
  const options = {
    width: plot.clientWidth,
    height: 220,
    cursor: { drag: { setScale: false } },
    scales: { y: { range: (_chart, _low, high) => [0, Math.max(high, 1)] } },
    axes: [
      { ...axis, values: (_chart, ticks) => ticks.map((tick) => days.format(tick * 1000)) },
      { ...axis, size: 60, label: figure.dataset.unit, values: (_chart, ticks) => ticks.map((tick) => numbers.format(tick)) },
    ],
    series: [
      { label: figure.querySelector("th").textContent, value: (_chart, time) => (time === null ? "–" : days.format(time * 1000)) },
      ...series.map((one) => ({ label: one.label, stroke: colour(one.colour), width: 2, points: { size: 5 } })),
    ],
  };
  const drawn = new uPlot(options, [times, ...values], plot);
  new ResizeObserver(() => drawn.setSize({ width: plot.clientWidth, height: 220 })).observe(plot);
}

for (const figure of document.querySelectorAll("[data-chart]")) chart(figure);
