"use strict";

/**
 * @typedef {{where: string, arm: string, seed: number, part: string, alike: Record<string, string>}} Run
 * @typedef {{id: string, grid: string, task: string, count: number, part: string, runs: Run[]}} ExampleSet
 */

const PAGE = 50;
const SIDES = { a: "only A is right", b: "only B is right", wrong: "both wrong, different answers" };

/** @param {{width: number, digits: string}} packed @returns {number[]} */
function unpacked(packed) {
  const found = [];
  for (let at = 0; at < packed.digits.length; at += packed.width) {
    found.push(parseInt(packed.digits.slice(at, at + packed.width), 36));
  }
  return found;
}

/** The view of examples that two runs answer differently. */
const examples = {
  shown: PAGE,

  /** Arms of a set; one that has a seed twice is told apart by its folder. @param {ExampleSet} set */
  armsOf(set) {
    const label = (run) => set.runs.some((other) => other !== run && other.arm === run.arm && other.seed === run.seed)
      ? `${run.arm} (${run.where})` : run.arm;
    return Map.groupBy(set.runs, label);
  },

  /** What is chosen; what is not, or is not there, is empty. */
  chosen() {
    const set = window.PARTS.get("index").sets.find((one) => one.id === state.get("set"));
    const known = set ? examples.armsOf(set) : new Map();
    const [a, b] = ["a", "b"].map((key) => known.get(state.get(key)) ?? []);
    const seeds = a.map((run) => run.seed).filter((seed) => b.some((run) => run.seed === seed));
    const seed = seeds.find((one) => String(one) === state.get("seed")) ?? seeds[0];
    const [runA, runB] = [a, b].map((runs) => runs.find((run) => run.seed === seed));
    return { set, known, a, b, seeds, seed, runA, runB };
  },

  /** @param {string} label @param {string} name @param {[string, string][]} options @param {string} value */
  select(label, name, options, value) {
    const all = [["", "choose"], ...options].map(([key, text]) => el("option", { value: key, selected: key === value }, text));
    return el("label", {}, `${label} `, el("select", { name }, ...all));
  },

  form() {
    const { sets } = window.PARTS.get("index");
    const { set, known, seeds, seed } = examples.chosen();
    const names = [...known.keys()].map((name) => [name, name]);
    const focused = document.activeElement?.getAttribute("name");
    const form = document.getElementById("pair");
    form.replaceChildren(
      examples.select("Examples of", "set", sets.map((one) => [one.id, `${one.grid}, ${one.task} (${one.count.toLocaleString("en")})`]), set?.id ?? ""),
      examples.select("Arm A", "a", names, state.get("a")),
      examples.select("Arm B", "b", names, state.get("b")),
      examples.select("Seed", "seed", seeds.map((one) => [String(one), String(one)]), String(seed ?? "")),
    );
    if (focused) form.querySelector(`select[name="${CSS.escape(focused)}"]`)?.focus();
    return sets.length > 0;
  },

  async draw() {
    const result = document.getElementById("pair-result");
    if (!examples.form()) {
      document.getElementById("pair").replaceChildren();
      result.replaceChildren(el("p", {}, "No two runs of one grid keep predictions of the same examples (predictions.npz)."));
      return;
    }
    const { set, a, b, runA, runB } = examples.chosen();
    const hash = location.hash;
    if (!runA || !runB) {
      result.replaceChildren(el("p", {}, a.length && b.length ? "These two arms share no seed." : "Choose two arms."));
      return;
    }
    try {
      const [asked, ...packed] = await Promise.all([set.part, runA.part, runB.part].map(load));
      if (hash === location.hash) result.replaceChildren(...examples.result(asked, packed.map(unpacked), runA, runB));
    } catch (error) {
      result.replaceChildren(el("p", { class: "warning" }, error.message));
    }
  },

  /** @param {any} asked @param {number[][]} answers @param {Run} runA @param {Run} runB */
  result(asked, [ofA, ofB], runA, runB) {
    const labels = unpacked(asked.labels);
    const side = (at) => ofA[at] === ofB[at] ? "same" : ofA[at] === labels[at] ? "a" : ofB[at] === labels[at] ? "b" : "wrong";
    const places = Map.groupBy(labels.keys(), side);
    const wanted = Object.hasOwn(SIDES, state.get("side")) ? state.get("side") : "a";
    const rows = (places.get(wanted) ?? []).map((at) => ({ at, label: labels[at], answers: [ofA[at], ofB[at]] }));
    return [...examples.head(labels.length, places, wanted, runA, runB), ...examples.table(asked, rows), examples.note(asked)];
  },

  /** @param {number} count @param {Map<string, number[]>} places @param {string} wanted @param {Run} runA @param {Run} runB */
  head(count, places, wanted, runA, runB) {
    const number = (side) => (places.get(side)?.length ?? 0).toLocaleString("en");
    const unlike = ["code", "device", "data"].filter((key) => runA.alike[key] !== runB.alike[key]);
    const tabs = Object.entries(SIDES).map(([side, text]) => el("a", { href: `#side=${side}`, "aria-current": side === wanted ? "true" : null },
      `${text}: ${number(side)}`));
    return [
      el("p", {}, `Of ${count.toLocaleString("en")} examples ${number("same")} are answered alike. A: `,
        link({ open: runA.where }, el("code", {}, runA.arm)), ", B: ", link({ open: runB.where }, el("code", {}, runB.arm)), "."),
      unlike.length ? el("p", { class: "warning" }, `The two runs are unlike in ${unlike.join(", ")}.`) : null,
      el("div", { class: "tabs" }, ...tabs),
    ].filter(Boolean);
  },

  /** @param {any} asked @param {{at: number, label: number, answers: number[]}[]} rows */
  table(asked, rows) {
    const texts = new Map(asked.texts.map(([at, text, length]) => [at, { text, length }]));
    const lines = rows.slice(0, examples.shown).map(({ at, label, answers }) => el("tr", {},
      el("th", { scope: "row" }, examples.name(asked, at)),
      el("td", { class: "number", "data-head": "label" }, label),
      ...answers.map((answer, arm) => el("td", { class: answer === label ? "number right" : "number", "data-head": "AB"[arm] }, `${answer} ${answer === label ? "✓" : "✗"}`)),
      el("td", { class: "text" }, examples.text(texts.get(at)))));
    const heads = ["example", "label", "A", "B", ...(texts.size ? ["text"] : [])];
    if (!texts.size) lines.forEach((line) => line.lastElementChild.remove());
    const head = el("tr", {}, ...heads.map((text, at) => el("th", { scope: "col", class: at > 0 && at < 4 ? "number" : null }, text)));
    const more = rows.length > examples.shown
      ? el("button", { type: "button", "data-more": true }, `Show ${Math.min(PAGE, rows.length - examples.shown)} more of ${rows.length.toLocaleString("en")}`) : null;
    return [el("div", { class: "scroll", role: "region", "aria-label": "Examples", tabindex: 0 },
      el("table", { class: "examples" }, el("thead", {}, head), el("tbody", {}, ...lines))), more].filter(Boolean);
  },

  /** @param {any} asked @param {number} at */
  name(asked, at) {
    return asked.names ? asked.names[at] : `${asked.prefix}${asked.start + at}`;
  },

  /** @param {{text: string, length: number} | undefined} found */
  text(found) {
    if (!found) return "—";
    return found.text.length < found.length ? `${found.text} … (${found.length.toLocaleString("en")} characters)` : found.text;
  },

  /** @param {any} asked */
  note(asked) {
    const said = asked.texts.length
      ? `Texts of ${asked.texts.length.toLocaleString("en")} of the ${asked.divided.toLocaleString("en")} examples that some two runs answer differently, the most divided first; of the others the name alone.`
      : "Evidence keeps names of examples, not their texts; build the page with --texts to see them.";
    return el("p", { class: "note" }, said);
  },
};
