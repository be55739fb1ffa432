"use strict";

/** Draw everything from the state, and put it into the controls. */
function draw() {
  const filters = document.getElementById("filters");
  for (const name of ["q", "grid", "task", "kind"]) {
    const control = filters.elements[name];
    if (control.value !== state.get(name)) control.value = state.get(name);
  }
  const [on, off] = [state.all("on"), state.all("off")];
  for (const control of filters.querySelectorAll("[data-factor]")) {
    const name = control.dataset.factor;
    control.value = on.includes(name) ? "on" : off.includes(name) ? "off" : "";
  }
  if (on.length + off.length) document.getElementById("factors").open = true;
  arms.draw();
  examples.draw();
  detail.draw();
}

/** The filters, from their controls into the state. */
function filter() {
  const filters = document.getElementById("filters");
  const factors = [...filters.querySelectorAll("[data-factor]")];
  const at = (level) => factors.filter((control) => control.value === level).map((control) => control.dataset.factor);
  const plain = Object.fromEntries(["q", "grid", "task", "kind"].map((name) => [name, filters.elements[name].value]));
  state.set({ ...plain, on: at("on"), off: at("off") });
}

/** @param {Event} event a choice in the view of disagreements; another set or arm makes what depends on it open again */
function choose(event) {
  const { name, value } = event.target;
  const clears = { set: { a: "", b: "", seed: "" }, a: { seed: "" }, b: { seed: "" }, seed: {} }[name];
  examples.shown = PAGE;
  state.set({ ...clears, [name]: value });
}

/** @param {MouseEvent} event links change the state they name and leave the rest of it; buttons are known by their data */
function click(event) {
  const anchor = event.target.closest("a[href^='#']");
  const button = event.target.closest("button");
  if (anchor && !(event.ctrlKey || event.metaKey || event.shiftKey)) {
    event.preventDefault();
    follow(anchor.getAttribute("href"));
  } else if (button?.dataset.sort) state.set({ sort: arms.next(button.dataset.sort) });
  else if ((button && "close" in button.dataset) || event.target.id === "detail") state.set({ open: "", from: "" }, true);
  else if (button && "more" in button.dataset) {
    examples.shown += PAGE;
    examples.draw();
  }
}

/** @param {string} hash */
function follow(hash) {
  const asked = state.asked(hash);
  if (asked) {
    if ("side" in asked) examples.shown = PAGE;
    state.set(asked, true);
    return;
  }
  const part = document.getElementById(hash.slice(1));
  part?.scrollIntoView();
  part?.focus({ preventScroll: true });
}

document.addEventListener("click", click);
document.getElementById("filters").addEventListener("input", filter);
document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("filters").addEventListener("reset", (event) => {
  event.preventDefault();
  state.set({ q: "", grid: "", task: "", kind: "", on: [], off: [] });
});
document.getElementById("pair").addEventListener("change", choose);
document.getElementById("detail").addEventListener("close", () => state.set({ open: "", from: "" }, true));
window.addEventListener("hashchange", draw);
draw();
