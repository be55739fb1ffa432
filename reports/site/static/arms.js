"use strict";

const NAMES = ["arm", "grid", "task"];
const LAST = { alignEmptyValues: "bottom" };
/** Rows that a browser draws all at once; of more, those in sight. */
const MOST_DRAWN = 300;

/** The table of arms: Tabulator sorts and draws, the state says how. */
const arms = {
  /** @param {any} row @returns {boolean} */
  wanted(row) {
    const words = state.get("q").toLowerCase().split(/\s+/).filter(Boolean);
    const text = [row.arm, row.grid, row.task, row.detail, row.kind].join(" ").toLowerCase();
    return words.every((word) => text.includes(word))
      && ["grid", "task", "kind"].every((key) => !state.get(key) || row[key] === state.get(key))
      && state.all("on").every((factor) => row.on.includes(factor))
      && state.all("off").every((factor) => row.off.includes(factor));
  },

  /** @param {any} cell of the first column */
  name(cell) {
    const row = cell.getData();
    const mark = row.kind === "arm" ? (row.isBase ? "base" : "") : row.kind;
    return el("span", {}, el(row.kind === "arm" ? "code" : "span", {}, ...row.arm.split(/(?<=[+/])/).flatMap((piece) => [piece, el("wbr")])),
      mark ? el("span", { class: `badge ${mark}` }, mark) : null, row.detail ? el("small", {}, row.detail) : null);
  },

  /** @param {any} cell @param {{key: string}} options */
  amount(cell, { key }) {
    const amount = cell.getData()[key];
    const text = amount.from && amount.value !== undefined ? link({ from: amount.from }, amount.text) : amount.text;
    return el("span", {}, text, key === "difference" && amount.low !== undefined ? arms.whisker(amount) : null);
  },

  /** A difference and its interval against zero, on one scale in all rows. @param {any} amount */
  whisker({ value, low, high }) {
    const x = (at) => Math.min(99, Math.max(1, 50 + (49 * at) / arms.widest)).toFixed(1);
    return el("svg", { viewBox: "0 0 100 12", class: "whisker", "aria-hidden": "true" },
      el("line", { x1: 50, x2: 50, y1: 0, y2: 12 }), el("line", { x1: x(low), x2: x(high), y1: 6, y2: 6 }),
      el("circle", { cx: x(value), cy: 6, r: 3 }));
  },

  /** A head is a button, for keyboards; its click reaches the head that sorts. @param {string} head @param {string} unit */
  head: (head, unit) => () => el("button", { type: "button" }, head, unit ? el("small", {}, unit) : null),

  columns() {
    const amounts = INDEX.columns.map(({ key, head, unit }) => ({
      title: head, titleFormatter: arms.head(head, unit), field: `${key}.value`, sorterParams: LAST, headerSortStartingDir: "desc",
      sorter: ["verdict", "run_key"].includes(key) ? "alphanum" : "number", formatter: arms.amount, formatterParams: { key }, cssClass: `amount ${key}`,
    }));
    const names = NAMES.map((name) => ({ title: name, titleFormatter: arms.head(name), field: name, sorter: "alphanum", frozen: name === "arm", cssClass: name }));
    return [{ ...names[0], formatter: arms.name }, ...amounts.slice(0, 3), ...names.slice(1), ...amounts.slice(3)];
  },

  start() {
    arms.widest = 1.25 * Math.max(1e-9, ...INDEX.rows.map((row) => Math.abs(row.difference.value ?? 0)));
    const sight = INDEX.rows.length > MOST_DRAWN ? { renderVertical: "virtual", height: "75vh" } : { renderVertical: "basic" };
    arms.table = new Tabulator("#arm-table", {
      data: INDEX.rows, columns: arms.columns(), layout: "fitData", renderHorizontal: "basic", ...sight,
      columnDefaults: { headerSortTristate: true, minWidth: 60, resizable: false }, placeholder: "No arm is left: clear a filter.",
    });
    arms.table.on("dataSorted", (sorters) => {
      if (arms.ready) state.set({ sort: sorters.map(({ field, dir }) => (dir === "desc" ? "-" : "") + field)[0] ?? "" });
    });
    return new Promise((done) => arms.table.on("tableBuilt", done));
  },

  draw() {
    arms.ready = false;
    const [field, dir] = [state.get("sort").replace(/^-/, ""), state.get("sort").startsWith("-") ? "desc" : "asc"];
    const known = arms.table.getColumns().some((column) => column.getField() === field);
    if (known) arms.table.setSort(field, dir);
    else arms.table.clearSort();
    arms.table.setFilter(arms.wanted);
    arms.ready = true;
    document.getElementById("shown").textContent = `${arms.table.getDataCount("active")} of ${INDEX.rows.length} rows`;
  },
};
