"use strict";
// The table of all rows and the plot of the record, from the data of rows.js. Text goes in as text only.
(() => {
  const { columns, rows } = window.GOLF_BOARD;
  const { svg, frame, tooltip, redrawn } = window.GOLF_PLOT;
  const at = Object.fromEntries(columns.map((name, index) => [name, index]));
  const body = document.querySelector("#rows tbody");
  const more = document.getElementById("more");
  const FIRST_ROWS = 60; // the first screens; the others follow when the browser is idle
  const IDLE_ROWS = 200;
  const PAGE_ROWS = 3000; // what a browser holds with ease; more on demand
  const state = { key: "pr", down: true, drawn: 0, wanted: PAGE_ROWS, turn: 0 };
  let shown = rows;

  const element = (tag, attributes = {}, text = "") => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== "") made.textContent = text;
    return made;
  };
  const digits = (value, places) => (value === null ? "–" : value.toFixed(places));
  const page = (row) => `submissions/${row[at.slug]}.html`;

  const line = (row) => {
    const made = element("tr");
    const head = element("th", { scope: "row" });
    head.append(element("a", { href: page(row) }, row[at.key]));
    if (row[at.name]) head.append(element("span", { class: "name" }, row[at.name]));
    made.append(head);
    made.append(element("td", { class: "n" }, digits(row[at.mean], 5)));
    made.append(element("td", { class: "n" }, digits(row[at.std], 5)));
    made.append(element("td", { class: "n" }, row[at.n] ? `${row[at.n]} ${row[at.standing]}` : "–"));
    for (const name of ["verdict", "status"]) {
      const cell = element("td");
      if (row[at[name]]) cell.append(element("span", { class: `chip ${row[at[name]]}` }, row[at[name]]));
      made.append(cell);
    }
    made.append(element("td", { class: "author" }, row[at.author] ?? "–"));
    made.append(element("td", { class: "date" }, row[at.date] ?? "–"));
    made.append(element("td", { class: "track" }, row[at.track] ?? "–"));
    made.append(element("td", { class: "technique" }, row[at.technique].join(", ")));
    return made;
  };

  const draw = (count, turn) => {
    if (turn !== state.turn) return; // another sort or filter has begun since
    const end = Math.min(shown.length, state.wanted, state.drawn + count);
    const part = document.createDocumentFragment();
    for (const row of shown.slice(state.drawn, end)) part.append(line(row));
    body.append(part);
    state.drawn = end;
    more.hidden = end < state.wanted || end >= shown.length;
    if (end < Math.min(shown.length, state.wanted)) {
      (window.requestIdleCallback ?? ((work) => setTimeout(work, 30)))(() => draw(IDLE_ROWS, turn));
    }
  };

  const value = (row, key) => {
    const found = row[at[key]];
    return Array.isArray(found) ? found.join(", ") : found;
  };
  const words = new Intl.Collator("en", { numeric: true });
  const before = (one, other) => {
    const [a, b] = [value(one, state.key), value(other, state.key)];
    if (a === b) return 0;
    if (a === null || a === "") return 1; // what is unknown stays at the end, whichever way is up
    if (b === null || b === "") return -1;
    const order = typeof a === "number" && typeof b === "number" ? a - b : words.compare(String(a), String(b));
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
    state.wanted = PAGE_ROWS;
    state.turn += 1;
    body.replaceChildren();
    draw(FIRST_ROWS, state.turn);
    document.getElementById("count").textContent = `${shown.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows`;
    for (const head of document.querySelectorAll("#rows thead th")) {
      if (head.dataset.key === state.key) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  };

  for (const name of ["track", "verdict", "status", "technique"]) {
    const found = new Set(rows.flatMap((row) => row[at[name]] || []));
    for (const word of [...found].sort()) filters[name].append(element("option", { value: word }, word));
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
  more.addEventListener("click", () => {
    state.wanted += PAGE_ROWS;
    draw(FIRST_ROWS, state.turn);
  });

  const points = rows.filter((row) => row[at.kind]).sort((a, b) => (a[at.pr] ?? 0) - (b[at.pr] ?? 0));
  const records = points.filter((row) => row[at.kind] === "record");
  const ZOOMED = 15;
  let from = 0; // the first record that the plot shows

  // About which day a pull request is from: the middle of the days that rows around it state, as one may err.
  const dated = points.filter((row) => row[at.date] && row[at.pr]);
  const dayAt = (pull) => {
    const after = dated.findIndex((row) => row[at.pr] >= pull);
    const middle = after < 0 ? dated.length : after;
    const near = dated.slice(Math.max(0, middle - 12), middle + 12).map((row) => row[at.date]).sort();
    return near.length ? near[near.length >> 1].slice(5) : "";
  };
  const told = (row) => {
    const spread = row[at.std] === null ? "" : ` ± ${row[at.std].toFixed(5)}`;
    return [`${row[at.key]} ${row[at.name]}`.trim(), `${row[at.mean].toFixed(5)}${spread}, ${row[at.n]} run${row[at.n] === 1 ? "" : "s"}`, row[at.author] ?? ""].filter(Boolean);
  };

  const plot = () => {
    const place = document.getElementById("plot");
    if (!place || !records.length) return;
    const pull = (row) => row[at.pr] ?? 0;
    const inside = records.slice(from);
    const first = pull(inside[0]);
    const last = Math.max(...points.map(pull), first + 1);
    const means = inside.map((row) => row[at.mean]);
    const pad = (Math.max(...means) - Math.min(...means)) * 0.12 || 0.01;
    const range = [Math.min(...means) - pad, Math.max(...means) + pad];
    const margin = (last - first) * 0.015;
    const { root, inner, x, y, width, edge } = frame(place, {
      x: [first - margin, last + margin],
      y: range,
      label: "The record by pull request; each point is a link to its row",
      xText: (given) => `#${Math.round(given)}`,
      yText: "bits per byte, by pull request in order of opening",
      below: dayAt,
    });
    const { tip, show, hide } = tooltip(place, width);
    const isSeen = (row) => pull(row) >= first && row[at.mean] >= range[0] && row[at.mean] <= range[1];
    const others = points.filter((row) => row[at.kind] !== "record" && isSeen(row));
    // One path for all points of a kind: thousands of elements would make the page slow.
    const paths = { other: "", rejected: "" };
    for (const row of others) {
      const [cx, cy] = [x(pull(row)).toFixed(1), y(row[at.mean]).toFixed(1)];
      paths[row[at.kind]] += row[at.kind] === "other" ? `M${cx} ${cy}h0` : `M${cx - 3} ${cy - 3}l6 6m0-6l-6 6`;
    }
    for (const kind of ["other", "rejected"]) inner.append(svg("path", { class: kind, d: paths[kind] }));
    let path = "";
    let best = Infinity;
    for (const row of inside) {
      best = Math.min(best, row[at.mean]);
      path += path ? `H${x(pull(row))}V${y(best)}` : `M${x(pull(row))} ${y(best)}`;
    }
    inner.append(svg("path", { class: "frontier", d: `${path}H${width - edge.right}` }));
    for (const row of inside) {
      const [cx, cy] = [x(pull(row)), y(row[at.mean])];
      const link = svg("a", { href: page(row), "aria-label": told(row).join(", ") });
      if (row[at.std] !== null) {
        const [top, bottom] = [y(row[at.mean] + row[at.std]), y(row[at.mean] - row[at.std])];
        link.append(svg("path", { class: "error", d: `M${cx} ${top}V${bottom}M${cx - 3} ${top}h6M${cx - 3} ${bottom}h6` }));
      }
      link.append(svg("circle", { class: "record", cx, cy, r: 5 }));
      link.addEventListener("mouseenter", () => show(cx, cy, told(row)));
      link.addEventListener("focus", () => show(cx, cy, told(row)));
      link.addEventListener("mouseleave", hide);
      link.addEventListener("blur", hide);
      root.append(link);
    }
    // The small points answer to the mouse by distance; in the table below they answer to everybody.
    const nearest = (event) => {
      const box = root.getBoundingClientRect();
      const [mx, my] = [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * width) / box.width];
      let found = null;
      let reach = 10 ** 2;
      for (const row of others) {
        const apart = (x(pull(row)) - mx) ** 2 + (y(row[at.mean]) - my) ** 2;
        if (apart < reach) [found, reach] = [row, apart];
      }
      return found;
    };
    root.addEventListener("mousemove", (event) => {
      if (event.target.closest("a")) return;
      const row = nearest(event);
      root.classList.toggle("hit", row !== null);
      if (row) show(x(pull(row)), y(row[at.mean]), told(row));
      else hide();
    });
    root.addEventListener("mouseleave", hide);
    root.addEventListener("click", (event) => {
      const row = event.target.closest("a") ? null : nearest(event);
      if (row) window.location.href = page(row);
    });
    place.replaceChildren(root, tip);
  };

  const zoom = document.getElementById("zoom");
  if (zoom && records.length > ZOOMED) {
    for (const [text, start] of [["All", 0], [`Last ${ZOOMED} records`, records.length - ZOOMED]]) {
      const button = element("button", { type: "button", "aria-pressed": String(start === from) }, text);
      button.addEventListener("click", () => {
        from = start;
        for (const other of zoom.children) other.setAttribute("aria-pressed", String(other === button));
        plot();
      });
      zoom.append(button);
    }
  }

  redrawn(plot);
  update();
})();
