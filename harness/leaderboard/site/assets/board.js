"use strict";
// The table of all rows and the plot, from the data of rows.js. Text goes into the page as text only.
(() => {
  const { columns, rows, frontier } = window.GOLF_BOARD;
  const body = document.querySelector("#rows tbody");
  const at = Object.fromEntries(columns.map((name, index) => [name, index]));
  const FIRST_ROWS = 100; // enough for the first screen; the others follow when the browser is idle
  const state = { key: "pr", down: true, drawn: 0 };
  let shown = rows;

  const element = (tag, attributes = {}, text = "") => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== "") made.textContent = text;
    return made;
  };
  const digits = (value, places) => (value === null ? "–" : value.toFixed(places));

  const line = (row) => {
    const made = element("tr");
    const head = element("th", { scope: "row" });
    head.append(element("a", { href: `submissions/${row[at.slug]}.html` }, row[at.key]));
    head.append(element("span", { class: "name" }, row[at.name]));
    made.append(head);
    made.append(element("td", {}, row[at.author] ?? "–"));
    made.append(element("td", { class: "n" }, digits(row[at.mean], 5)));
    made.append(element("td", { class: "n" }, digits(row[at.std], 5)));
    made.append(element("td", { class: "n" }, row[at.n] ? `${row[at.n]} ${row[at.standing]}` : "–"));
    made.append(element("td", {}, row[at.track]));
    for (const name of ["verdict", "status"]) {
      const cell = element("td");
      if (row[at[name]]) cell.append(element("span", { class: `status ${row[at[name]]}` }, row[at[name]]));
      made.append(cell);
    }
    made.append(element("td", {}, row[at.technique].join(", ")));
    return made;
  };

  const draw = (more) => {
    const part = document.createDocumentFragment();
    for (const row of shown.slice(state.drawn, state.drawn + more)) part.append(line(row));
    body.append(part);
    state.drawn += more;
    if (state.drawn < shown.length) {
      (window.requestIdleCallback ?? ((work) => setTimeout(work, 30)))(() => draw(400));
    }
  };

  const value = (row, key) => {
    const found = row[at[key]];
    return Array.isArray(found) ? found.join(", ") : found;
  };
  const before = (one, other) => {
    const [a, b] = [value(one, state.key), value(other, state.key)];
    if (a === b) return 0;
    if (a === null || a === "") return 1; // what is unknown stays at the end, whichever way is up
    if (b === null || b === "") return -1;
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
    return state.down ? -order : order;
  };

  const filters = Object.fromEntries(["find", "track", "verdict", "status", "technique"].map((id) => [id, document.getElementById(id)]));
  const passes = (row) => {
    const wanted = filters.find.value.trim().toLowerCase();
    for (const name of ["track", "verdict", "status"]) {
      if (filters[name].value && row[at[name]] !== filters[name].value) return false;
    }
    if (filters.technique.value && !row[at.technique].includes(filters.technique.value)) return false;
    if (!wanted) return true;
    return [row[at.key], row[at.name], row[at.author] ?? ""].join(" ").toLowerCase().includes(wanted);
  };

  const update = () => {
    shown = rows.filter(passes).sort(before);
    state.drawn = 0;
    body.replaceChildren();
    draw(FIRST_ROWS);
    document.getElementById("count").textContent = `${shown.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows`;
    for (const head of document.querySelectorAll("#rows thead th")) {
      if (head.dataset.key === state.key) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  };

  for (const name of ["track", "verdict", "status", "technique"]) {
    const words = new Set(rows.flatMap((row) => row[at[name]] || []));
    for (const word of [...words].sort()) filters[name].append(element("option", { value: word }, word));
  }
  for (const head of document.querySelectorAll("#rows thead th")) {
    head.querySelector("button").addEventListener("click", () => {
      state.down = head.dataset.key === state.key ? !state.down : false;
      state.key = head.dataset.key;
      update();
    });
  }
  const form = document.getElementById("filters");
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(update));

  const plot = () => {
    const place = document.getElementById("plot");
    const records = frontier.filter((point) => point.kind === "record");
    if (!place || !records.length) return;
    const width = Math.max(340, Math.min(1180, place.clientWidth || 1180));
    const height = width < 600 ? 300 : 380;
    const edge = { left: 52, right: 12, top: 12, bottom: 34 };
    const svg = (tag, attributes, text) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [name, given] of Object.entries(attributes)) made.setAttribute(name, given);
      if (text !== undefined) made.textContent = text;
      return made;
    };
    const xs = frontier.map((point) => point.x);
    const [x0, x1] = [Math.min(...xs), Math.max(...xs, Math.min(...xs) + 1)];
    const means = records.map((point) => point.mean);
    const pad = (Math.max(...means) - Math.min(...means)) * 0.08 || 0.01;
    const [y0, y1] = [Math.min(...means) - pad, Math.max(...means) + pad];
    const x = (given) => edge.left + ((given - x0) / (x1 - x0)) * (width - edge.left - edge.right);
    const y = (given) => edge.top + ((y1 - Math.max(y0, Math.min(y1, given))) / (y1 - y0)) * (height - edge.top - edge.bottom);
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "The record by pull request; each point is a link to its row" });
    for (let tick = 0; tick <= 4; tick += 1) {
      const given = y0 + ((y1 - y0) * tick) / 4;
      root.append(svg("line", { class: "axis", x1: edge.left, x2: width - edge.right, y1: y(given), y2: y(given) }));
      root.append(svg("text", { x: 4, y: y(given) + 4 }, given.toFixed(3)));
      const pull = Math.round(x0 + ((x1 - x0) * tick) / 4);
      root.append(svg("text", { x: x(pull), y: height - 10, "text-anchor": tick === 0 ? "start" : tick === 4 ? "end" : "middle" }, `#${pull}`));
    }
    for (const point of frontier) {
      if (point.kind === "record" || point.mean < y0 || point.mean > y1) continue;
      const [cx, cy] = [x(point.x), y(point.mean)];
      if (point.kind === "rejected") root.append(svg("path", { class: "cross", d: `M${cx - 3} ${cy - 3}l6 6m0 -6l-6 6` }));
      else root.append(svg("circle", { class: "other", cx, cy, r: 2.5 }));
    }
    let path = "";
    records.forEach((point, index) => { path += index ? `H${x(point.x)}V${y(point.mean)}` : `M${x(point.x)} ${y(point.mean)}`; });
    root.append(svg("path", { class: "frontier", d: `${path}H${width - edge.right}` }));
    const tip = element("div", { class: "tip", role: "tooltip", id: "tip", hidden: "" });
    for (const point of records) {
      const words = `${point.key} ${point.name}: ${point.mean.toFixed(5)}${point.std === null ? "" : ` ± ${point.std.toFixed(5)}`}, ${point.n} run${point.n === 1 ? "" : "s"}`;
      const link = svg("a", { href: `submissions/${point.slug}.html`, "aria-label": words });
      if (point.std !== null) {
        link.append(svg("line", { class: "bar", x1: x(point.x), x2: x(point.x), y1: y(point.mean - point.std), y2: y(point.mean + point.std) }));
      }
      link.append(svg("circle", { class: "record", cx: x(point.x), cy: y(point.mean), r: 5 }));
      const show = () => {
        tip.textContent = words;
        tip.hidden = false;
        const scale = place.clientWidth / width;
        tip.style.left = `${Math.min(x(point.x) * scale + 8, Math.max(0, place.clientWidth - tip.offsetWidth - 4))}px`;
        tip.style.top = `${y(point.mean) * scale + 10}px`;
      };
      const hide = () => { tip.hidden = true; };
      link.addEventListener("mouseenter", show);
      link.addEventListener("focus", show);
      link.addEventListener("mouseleave", hide);
      link.addEventListener("blur", hide);
      root.append(link);
    }
    place.replaceChildren(root, tip);
  };

  plot();
  let waiting = 0;
  window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(plot, 150); });
  update();
})();
