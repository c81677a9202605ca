"use strict";
// Training and validation loss by step of a submission's seeds, from the data beside its page.
(() => {
  const place = document.getElementById("curves");
  const curves = window.GOLF_CURVES;
  const { svg, frame, tooltip, redrawn } = window.GOLF_PLOT;
  const COLOURS = 6; // of the style sheet; further seeds begin again

  // The first steps fall from ln(vocabulary) and would flatten everything after them.
  const FIRST_SHARE = 0.03;
  const last = Math.max(...curves.flatMap(({ train, validation }) => [...train.slice(-1), ...validation.slice(-1)].map(([step]) => step)));
  const settled = curves.flatMap(({ train, validation }) => [...train, ...validation].filter(([step]) => step >= last * FIRST_SHARE).map(([, loss]) => loss));
  const [low, high] = [Math.min(...settled), Math.max(...settled)];
  const pad = (high - low) * 0.05 || 0.1;

  const nearest = (points, step) => points.reduce((best, point) => (Math.abs(point[0] - step) < Math.abs(best[0] - step) ? point : best));

  const draw = () => {
    const { root, inner, x, y, width, height, edge } = frame(place, {
      x: [0, last * 1.01],
      y: [low - pad, high + pad],
      label: "Loss by step; the list below holds the ends of each curve",
      xText: (given) => given.toLocaleString("en"),
      yText: "loss, nats per token, by training step",
    });
    const { tip, show, hide } = tooltip(place, width);
    curves.forEach(({ train, validation }, index) => {
      const path = (points) => points.map(([step, loss], at) => `${at ? "L" : "M"}${x(step).toFixed(1)} ${y(loss).toFixed(1)}`).join("");
      inner.append(svg("path", { class: `curve seed${index % COLOURS}`, d: path(train) }));
      for (const [step, loss] of validation) inner.append(svg("circle", { class: `validation seed${index % COLOURS}`, cx: x(step), cy: y(loss), r: 3 }));
    });
    const rule = svg("line", { class: "cursor", y1: edge.top, y2: height - edge.bottom, visibility: "hidden" });
    root.append(rule);
    root.addEventListener("mousemove", (event) => {
      const box = root.getBoundingClientRect();
      const mx = ((event.clientX - box.left) * width) / box.width;
      const step = ((mx - x(0)) / (x(last) - x(0))) * last;
      if (step < 0 || step > last) return;
      for (const end of ["x1", "x2"]) rule.setAttribute(end, mx);
      rule.setAttribute("visibility", "visible");
      show(mx, ((event.clientY - box.top) * width) / box.width, [
        `step ${Math.round(step).toLocaleString("en")}`,
        ...curves.map(({ name, train }) => `${name}: ${nearest(train, step)[1].toFixed(3)}`),
      ]);
    });
    root.addEventListener("mouseleave", () => { hide(); rule.setAttribute("visibility", "hidden"); });
    place.replaceChildren(root, tip);
  };

  const legend = document.getElementById("curve-legend");
  curves.forEach(({ name }, index) => {
    const made = document.createElement("span");
    made.className = `key line seed${index % COLOURS}`;
    made.textContent = name;
    legend.append(made, " ");
  });
  if (curves.some(({ validation }) => validation.length)) {
    const made = document.createElement("span");
    made.className = "key validation";
    made.textContent = "validation during training";
    legend.append(made);
  }
  redrawn(draw);
})();
