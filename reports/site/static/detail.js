"use strict";

/** @param {number} value @returns {string} with three significant digits */
function short(value) {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** The dialog: a run, a file of a grid, or the list of what a number was made from. */
const detail = {
  async draw() {
    const dialog = document.getElementById("detail");
    const [source, list] = [state.get("open"), state.get("from")];
    if (!source && !list) return dialog.close();
    const [content, curves] = source ? await detail.record(source) : [detail.list(list), []];
    if (source !== state.get("open") || list !== state.get("from")) return; // something else was asked for meanwhile
    const back = source && list ? el("p", {}, link({ open: "" }, "← all runs of this number")) : "";
    dialog.lastElementChild.replaceChildren(back, content);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    detail.curves(dialog, curves);
  },

  records: new Map(INDEX.records.map((record) => [record.source, record])),

  /** @param {string} source */
  known: (source) => detail.records.get(source),

  /** @param {string} head @param {...any} content */
  said: (head, ...content) => el("div", {}, el("h2", { id: "detail-head" }, head), ...content),

  /** @param {string} name */
  list(name) {
    if (!Object.hasOwn(INDEX.sources, name)) return detail.said("Not on this page", "The link is of a page made from other runs.");
    return detail.said("Made from", el("ul", {}, ...INDEX.sources[name].map(detail.item)));
  },

  /** @param {string} source */
  item(source) {
    const known = detail.known(source);
    if (!known) return el("li", {}, el("code", {}, source));
    const about = known.arm === undefined ? "" : ` ${known.arm}, seed ${known.seed} · `
      + (known.accuracy === null ? known.status.toLowerCase() : `${(100 * known.accuracy).toFixed(2)} %`);
    return el("li", {}, link({ open: source }, el("code", {}, source)), about);
  },

  /** What the templates made of a record, and its curves; they escape all that is not theirs. @param {string} source */
  async record(source) {
    const known = detail.known(source);
    if (!known) return [detail.said("Not on this page", el("code", {}, source)), []];
    try {
      const { html, curves } = await load(known.part);
      const parsed = new DOMParser().parseFromString(html, "text/html");
      return [el("div", {}, ...parsed.body.childNodes), curves];
    } catch (error) {
      return [detail.said(source, el("p", { class: "warning" }, error.message)), []];
    }
  },

  /** @param {HTMLElement} dialog @param {any[]} curves */
  curves(dialog, curves) {
    const [shown, others] = dialog.querySelectorAll(".curves");
    curves.forEach((curve) => (curve.first ? shown : others).append(detail.figure(curve)));
    const more = dialog.querySelector(".more");
    if (more && !others.childElementCount) more.remove();
  },

  /** One measure over steps. @param {{name: string, every: number, steps: number[], values: (number | null)[]}} curve */
  figure({ name, every, steps, values }) {
    const at = values.flatMap((value, place) => (value === null ? [] : [place]));
    if (!at.length) return el("figure", {}, el("figcaption", {}, `${name}: no finite value`));
    const said = [at[0], at[at.length - 1]].map((place) => `${short(values[place])} at step ${steps[place]}`).join(", ");
    const box = el("figure", { role: "img", "aria-label": `${name}: ${said}` });
    const axis = { stroke: "#888", font: "10px system-ui", grid: { stroke: "#8883" }, size: 45, values: (_, ticks) => ticks.map(short) };
    const options = { width: 280, height: 140, legend: { show: false }, cursor: { show: false }, scales: { x: { time: false } },
      axes: [{ ...axis, size: 25 }, axis], series: [{}, { stroke: "#3b82f6", width: 1.5 }] };
    new uPlot(options, [steps, values], box);
    box.append(el("figcaption", {}, `${name}: ${said}${every > 1 ? `; one point of ${every}` : ""}`));
    return box;
  },
};
