"use strict";

const filters = document.getElementById("filters");
const FIELDS = ["q", "grid", "task", "kind"];

/** Draw everything from the state, and put it into the controls. */
function draw() {
  for (const name of FIELDS) filters.elements[name].value = state.get(name);
  const [on, off] = [state.all("on"), state.all("off")];
  for (const control of filters.querySelectorAll("[data-factor]")) {
    const { factor } = control.dataset;
    control.value = on.includes(factor) ? "on" : off.includes(factor) ? "off" : "";
  }
  if (on.length + off.length) document.getElementById("factors").open = true;
  arms.draw();
  examples.draw();
  detail.draw();
}

/** The filters, from their controls into the state. */
function filter() {
  const factors = [...filters.querySelectorAll("[data-factor]")];
  const at = (level) => factors.filter((control) => control.value === level).map((control) => control.dataset.factor);
  state.set({ ...Object.fromEntries(FIELDS.map((name) => [name, filters.elements[name].value])), on: at("on"), off: at("off") });
}

/** @param {MouseEvent} event links change the state they name and leave the rest of it */
function click(event) {
  const hash = event.target.closest("a[href^='#']")?.getAttribute("href");
  if (event.target.closest(".close") || event.target.id === "detail") state.set({ open: "", from: "" }, true);
  if (!hash || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const asked = state.asked(hash);
  const part = document.getElementById(hash.slice(1));
  if (asked) state.set(asked, true);
  part?.scrollIntoView();
  part?.focus({ preventScroll: true });
}

/** Each number of the embedded tables leads to its runs. */
function linkTables() {
  for (const cell of document.querySelectorAll("#tables [data-row]")) {
    const { row, column } = cell.dataset;
    const from = INDEX.tables[cell.closest(".sheet").id][row - 1][column - 1];
    if (from && cell.textContent.trim()) cell.replaceChildren(link({ from }, ...cell.childNodes));
  }
}

document.addEventListener("click", click);
filters.addEventListener("input", filter);
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", (event) => {
  event.preventDefault();
  state.set({ q: "", grid: "", task: "", kind: "", on: [], off: [] });
});
document.getElementById("pair").addEventListener("change", ({ target: { name, value } }) => {
  const clears = { set: { a: "", b: "", seed: "" }, a: { seed: "" }, b: { seed: "" }, seed: {} }[name];
  state.set({ ...clears, [name]: value });
});
document.getElementById("detail").addEventListener("close", () => state.set({ open: "", from: "" }, true));
linkTables();
arms.start().then(() => {
  draw();
  window.addEventListener("hashchange", draw);
});
