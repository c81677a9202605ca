"use strict";
// What the plots of the site share: SVG elements, round ticks, a frame with a grid, a tooltip.
window.GOLF_PLOT = (() => {
  const svg = (tag, attributes = {}, text = undefined) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, given] of Object.entries(attributes)) made.setAttribute(name, given);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  // Round numbers from low to high, about `wanted` of them.
  const ticks = (low, high, wanted) => {
    const rough = (high - low) / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
    const found = [];
    for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at += 1) found.push(at * step);
    return { found, places: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  };

  // An empty plot that fills `place`: scales, grid and labels. Ranges are [low, high]; y grows upwards.
  const frame = (place, { x: [x0, x1], y: [y0, y1], label, xText, yText, below = () => "" }) => {
    const width = Math.max(320, Math.min(1180, place.clientWidth || 1180));
    const height = width < 600 ? 300 : 400;
    const edge = { left: 54, right: 14, top: 24, bottom: 52 };
    const x = (given) => edge.left + ((given - x0) / (x1 - x0)) * (width - edge.left - edge.right);
    const y = (given) => height - edge.bottom - ((given - y0) / (y1 - y0)) * (height - edge.top - edge.bottom);
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label });
    const rows = ticks(y0, y1, 5);
    for (const given of rows.found) {
      root.append(svg("line", { class: "grid", x1: edge.left, x2: width - edge.right, y1: y(given), y2: y(given) }));
      root.append(svg("text", { x: edge.left - 8, y: y(given) + 4, "text-anchor": "end" }, given.toFixed(rows.places)));
    }
    for (const given of ticks(x0, x1, width < 600 ? 3 : 7).found) {
      root.append(svg("line", { class: "tick", x1: x(given), x2: x(given), y1: height - edge.bottom, y2: height - edge.bottom + 5 }));
      const anchor = x(given) > width - 40 ? "end" : "middle";
      root.append(svg("text", { x: x(given), y: height - edge.bottom + 18, "text-anchor": anchor }, xText(given)));
      root.append(svg("text", { class: "soft", x: x(given), y: height - edge.bottom + 33, "text-anchor": anchor }, below(given)));
    }
    root.append(svg("text", { class: "unit", x: 4, y: 13 }, yText));
    const clip = svg("clipPath", { id: `${place.id}-clip` });
    clip.append(svg("rect", { x: edge.left, y: edge.top - 6, width: width - edge.left - edge.right + 6, height: height - edge.top - edge.bottom + 6 }));
    const inner = svg("g", { "clip-path": `url(#${place.id}-clip)` });
    root.append(clip, inner);
    return { root, inner, x, y, width, height, edge };
  };

  // A box beside a point of the plot; words as lines.
  const tooltip = (place, width) => {
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.id = `${place.id}-tip`;
    tip.setAttribute("role", "tooltip");
    tip.hidden = true;
    const show = (px, py, lines) => {
      tip.replaceChildren(...lines.map((line, index) => {
        const made = document.createElement(index ? "div" : "strong");
        made.textContent = line;
        return made;
      }));
      tip.hidden = false;
      const scale = place.clientWidth / width;
      const left = px * scale + 14;
      const fits = left + tip.offsetWidth < place.clientWidth;
      tip.style.left = `${Math.max(0, fits ? left : px * scale - tip.offsetWidth - 14)}px`;
      tip.style.top = `${Math.max(0, py * scale - tip.offsetHeight / 2)}px`;
    };
    return { tip, show, hide: () => { tip.hidden = true; } };
  };

  // Draw now and again when the window changes its width.
  const redrawn = (draw) => {
    draw();
    let waiting = 0;
    window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(draw, 150); });
  };

  return { svg, frame, tooltip, redrawn };
})();
