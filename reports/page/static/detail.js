"use strict";

/**
 * @typedef {{source: string, part: string, arm?: string, seed?: number, status?: string, accuracy?: number}} Known
 */

/** The dialog: a run, a file of a grid, or the list of what a number was made from. */
const detail = {
  /** @param {string} source @returns {Known | undefined} */
  known(source) {
    return window.PARTS.get("index").records.find((record) => record.source === source);
  },

  async draw() {
    const dialog = document.getElementById("detail");
    const [source, list] = [state.get("open"), state.get("from")];
    if (!source && !list) {
      dialog.close();
      return;
    }
    const content = source ? await detail.record(source) : detail.list(list);
    if (source !== state.get("open") || list !== state.get("from")) return; // something else was asked for meanwhile
    const [title, ...rest] = content;
    const back = source && list ? el("p", {}, link({ open: "" }, "← all runs of this number")) : "";
    const close = el("button", { type: "button", class: "close", "data-close": true, "aria-label": "Close" }, "✕");
    dialog.replaceChildren(el("div", { class: "bar" }, title, close), back, ...rest);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  },

  /** @param {string} text */
  title(text) {
    return el("h2", { id: "detail-head" }, text);
  },

  /** @param {string} name @returns {Node[]} */
  list(name) {
    const { sources: lists } = window.PARTS.get("index");
    if (!Object.hasOwn(lists, name)) return [detail.title("Not on this page"), el("p", {}, "The link is of a page made from other runs.")];
    return [detail.title("Made from"), el("ul", { class: "plain" }, ...lists[name].map(detail.source))];
  },

  /** @param {string} source */
  source(source) {
    const known = detail.known(source);
    if (!known) return el("li", {}, el("code", {}, source));
    const about = known.arm === undefined ? [] : [
      el("span", {}, ` ${known.arm}, seed ${known.seed}`),
      known.status === "COMPLETED" ? el("span", {}, ` · ${percent(known.accuracy)} %`)
        : el("span", { class: `badge ${known.status.toLowerCase()}` }, known.status.toLowerCase()),
    ];
    return el("li", {}, link({ open: source }, el("code", {}, source)), ...about);
  },

  /** @param {string} source @returns {Promise<Node[]>} */
  async record(source) {
    const known = detail.known(source);
    if (!known) return [detail.title("Not on this page"), el("p", {}, el("code", {}, source))];
    try {
      const record = await load(known.part);
      return known.arm === undefined ? detail.file(record) : detail.run(record);
    } catch (error) {
      return [detail.title(source), el("p", { class: "warning" }, error.message)];
    }
  },

  /** @param {any} record */
  file(record) {
    return [detail.title(record.where), el("pre", {}, yaml(record.content))];
  },

  /** @param {any} run */
  run(run) {
    const seed = run.seed === null ? "" : `, seed ${run.seed}`;
    return [
      detail.title(`${run.arm}${seed}`),
      el("p", {}, el("span", { class: `badge ${run.status.toLowerCase()}` }, run.status.toLowerCase()), " ", run.cause),
      ...run.problems.map((problem) => el("p", { class: "warning" }, `Not readable: ${problem}`)),
      detail.facts(run),
      ...detail.metrics(run.result.metrics ?? {}),
      ...detail.curves(run.curves),
      ...detail.part("Configuration", run.spec, true),
      ...detail.part("Environment", run.environment, false),
      ...detail.part("Result", run.result, false),
      run.failure ? el("details", {}, el("summary", {}, "Traceback"), el("pre", {}, run.failure)) : null,
    ].filter(Boolean);
  },

  /** @param {any} run */
  facts(run) {
    const seconds = run.result.seconds;
    const facts = [
      ["where", run.where], ["grid", run.grid], ["task", run.task], ["code", run.result.code_revision],
      ["machine", run.result.device], ["started", run.result.started_at], ["configuration key", run.result.run_key],
      ["data", run.result.data_key], ["seconds", seconds && `${short(seconds.train)} training, ${short(seconds.total)} in all`],
      ["files", run.files.join(", ")],
    ].filter(([, value]) => value);
    return el("dl", {}, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  },

  /** @param {Record<string, Record<string, number>>} metrics of every split, shares of one */
  metrics(metrics) {
    const splits = Object.keys(metrics);
    if (!splits.length) return [];
    const names = Object.keys(metrics[splits[0]]);
    const text = (name, value) => name === "n" ? value.toLocaleString("en") : name === "loss" ? value.toFixed(4) : percent(value);
    const head = el("tr", {}, el("th", { scope: "col" }, "split"),
      ...names.map((name) => el("th", { scope: "col", class: "number" }, name === "n" || name === "loss" ? name : `${name}, %`)));
    const lines = splits.map((split) => el("tr", {}, el("th", { scope: "row" }, split),
      ...names.map((name) => el("td", { class: "number" }, text(name, metrics[split][name])))));
    const table = el("table", {}, el("thead", {}, head), el("tbody", {}, ...lines));
    return [el("h3", {}, "Metrics"), el("div", { class: "scroll", role: "region", "aria-label": "Metrics", tabindex: 0 }, table)];
  },

  /** The curves that most ask for are shown; the others unfold. @param {Curve[]} curves */
  curves(curves) {
    const first = ["train loss", "validation accuracy", "validation loss"];
    const shown = first.flatMap((name) => curves.filter((curve) => curve.name === name));
    const others = curves.filter((curve) => !first.includes(curve.name));
    return [
      shown.length ? el("h3", {}, "Learning curves") : null,
      el("div", { class: "curves" }, ...shown.map(curveFigure)),
      others.length ? el("details", {}, el("summary", {}, `${others.length} more curves`),
        el("div", { class: "curves" }, ...others.map(curveFigure))) : null,
    ].filter(Boolean);
  },

  /** @param {string} head @param {object} value @param {boolean} open */
  part(head, value, open) {
    if (!Object.keys(value).length) return [];
    return [el("details", { open }, el("summary", {}, head), el("pre", {}, yaml(value)))];
  },
};
