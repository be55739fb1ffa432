"use strict";

/**
 * @typedef {{text: string, value?: number, from?: string, low?: number, high?: number}} Amount
 * @typedef {{kind: string, arm: string, grid: string, task: string, isBase: boolean, on: string[], off: string[],
 *   detail: string, amounts: Record<string, Amount>}} Row
 * @typedef {{key: string, head: string, unit: string}} Column
 */

const NAMES = [
  { key: "arm", head: "arm", unit: "" },
  { key: "grid", head: "grid", unit: "" },
  { key: "task", head: "task", unit: "" },
];

/** The table of arms: filtered, sorted and drawn from the state. */
const arms = {
  /** @param {Row} row @returns {boolean} */
  wanted(row) {
    const words = state.get("q").toLowerCase().split(/\s+/).filter(Boolean);
    const text = [row.arm, row.grid, row.task, row.detail, row.kind].join(" ").toLowerCase();
    return words.every((word) => text.includes(word))
      && ["grid", "task", "kind"].every((key) => !state.get(key) || row[key] === state.get(key))
      && state.all("on").every((factor) => row.on.includes(factor))
      && state.all("off").every((factor) => row.off.includes(factor));
  },

  /**
   * What a row is sorted by; undefined is missing.
   * @param {Row} row @param {string} key @returns {string | number | undefined}
   */
  value(row, key) {
    return NAMES.some((column) => column.key === key) ? row[key] : row.amounts[key]?.value;
  },

  /** @param {Row[]} rows @returns {Row[]} */
  sorted(rows) {
    const sort = state.get("sort");
    if (!sort) return rows;
    const key = sort.replace(/^-/, "");
    const sign = sort.startsWith("-") ? -1 : 1;
    const there = rows.filter((row) => arms.value(row, key) !== undefined);
    const missing = rows.filter((row) => arms.value(row, key) === undefined);
    there.sort((a, b) => sign * arms.compare(arms.value(a, key), arms.value(b, key)));
    return [...there, ...missing];
  },

  /** Numbers as numbers, names by their letters. */
  compare(a, b) {
    return typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
  },

  /**
   * The sort after a click: names go up first, numbers down first; the third click gives the order of the grids.
   * @param {string} key @returns {string}
   */
  next(key) {
    const first = NAMES.some((column) => column.key === key) ? key : `-${key}`;
    const second = first === key ? `-${key}` : key;
    return state.get("sort") === first ? second : state.get("sort") === second ? "" : first;
  },

  /** @param {Column} column */
  head(column) {
    const sort = state.get("sort");
    const order = sort === column.key ? "ascending" : sort === `-${column.key}` ? "descending" : null;
    const button = el("button", { type: "button", "data-sort": column.key }, column.head,
      el("span", { class: "arrow", "aria-hidden": "true" }, { ascending: "▲", descending: "▼" }[order] ?? ""));
    const unit = column.unit ? el("span", { class: "unit" }, column.unit) : null;
    return el("th", { scope: "col", "aria-sort": order, class: NAMES.includes(column) ? null : "number" }, button, unit);
  },

  /** @param {Row} row @param {Column[]} columns @param {number} widest */
  line(row, columns, widest) {
    const mark = row.kind === "arm" ? (row.isBase ? "base" : null) : row.kind;
    const name = el("th", { scope: "row" }, el(row.kind === "arm" ? "code" : "span", {}, ...breakable(row.arm)),
      mark ? el("span", { class: `badge ${mark}` }, mark) : null,
      row.detail ? el("span", { class: "unit" }, row.detail) : null);
    const cells = columns.map((column) => arms.cell(column.key, row.amounts[column.key], widest));
    return el("tr", { class: row.kind }, name, el("td", {}, row.grid), el("td", {}, row.task), ...cells);
  },

  /** @param {string} key @param {Amount} amount @param {number} widest */
  cell(key, amount, widest) {
    const text = amount.from ? link({ from: amount.from }, amount.text) : amount.text;
    const bar = key === "difference" && amount.value !== undefined ? arms.whisker(amount, widest) : null;
    return el("td", { class: `number ${key}` }, text, bar);
  },

  /**
   * A difference and its interval against zero, on one scale in all rows that are shown.
   * @param {Amount} amount @param {number} widest
   */
  whisker(amount, widest) {
    const x = (value) => Math.min(99, Math.max(1, 50 + (49 * value) / widest)).toFixed(1);
    const interval = amount.low === undefined ? null
      : svg("line", { x1: x(amount.low), x2: x(amount.high), y1: 6, y2: 6, class: "interval" });
    return svg("svg", { viewBox: "0 0 100 12", class: "whisker", "aria-hidden": "true" },
      svg("line", { x1: 50, x2: 50, y1: 0, y2: 12, class: "zero" }), interval,
      svg("circle", { cx: x(amount.value), cy: 6, r: 3.2 }));
  },

  draw() {
    const { rows, columns } = window.PARTS.get("index");
    const shown = arms.sorted(rows.filter(arms.wanted));
    const widest = Math.max(1e-9, ...shown.map((row) => Math.abs(row.amounts.difference.value ?? 0))) * 1.25;
    const table = document.getElementById("arm-table");
    const focused = document.activeElement?.getAttribute("data-sort");
    table.tHead.replaceChildren(el("tr", {}, ...[...NAMES, ...columns].map(arms.head)));
    table.tBodies[0].replaceChildren(...shown.map((row) => arms.line(row, columns, widest)));
    if (focused) table.tHead.querySelector(`[data-sort="${CSS.escape(focused)}"]`)?.focus();
    document.getElementById("shown").textContent = `${shown.length} of ${rows.length} rows`;
  },
};
