"use strict";

const SIDES = { a: "only A is right", b: "only B is right", wrong: "both wrong, different answers" };

/** The view of examples that two runs answer differently. */
const examples = {
  /** What is chosen; what is not, or is not there, is undefined. */
  chosen() {
    const set = INDEX.sets.find((one) => one.id === state.get("set"));
    const label = (run) => set.runs.some((other) => other !== run && other.arm === run.arm && other.seed === run.seed)
      ? `${run.arm} (${run.where})` : run.arm;
    const arms = new Map();
    set?.runs.forEach((run) => arms.set(label(run), [...(arms.get(label(run)) ?? []), run]));
    const [a, b] = ["a", "b"].map((key) => arms.get(state.get(key)) ?? []);
    const seeds = a.map((run) => String(run.seed)).filter((seed) => b.some((run) => String(run.seed) === seed));
    const seed = seeds.includes(state.get("seed")) ? state.get("seed") : seeds[0];
    const runs = [a, b].map((of) => of.find((run) => String(run.seed) === seed));
    return { set, names: [...arms.keys()], a, b, seeds, seed, runs };
  },

  /** @param {string} name @param {[string, string][]} options @param {string} value */
  select(name, options, value) {
    const all = [["", "choose"], ...options].map(([key, text]) => el("option", { value: key, selected: key === value }, text));
    document.querySelector(`#pair [name=${name}]`).replaceChildren(...all);
  },

  async draw() {
    const { set, names, a, b, seeds, seed, runs } = examples.chosen();
    examples.select("set", INDEX.sets.map((one) => [one.id, `${one.grid}, ${one.task} (${one.count.toLocaleString("en")})`]), set?.id);
    for (const key of ["a", "b"]) examples.select(key, names.map((name) => [name, name]), state.get(key));
    examples.select("seed", seeds.map((one) => [one, one]), seed);
    document.getElementById("pair").hidden = !INDEX.sets.length;
    if (!INDEX.sets.length) return examples.say("No two runs of one grid keep what they answered to the same examples.");
    if (!runs[0] || !runs[1]) return examples.say(a.length && b.length ? "These two arms share no seed." : "Choose two arms.");
    const hash = location.hash;
    try {
      const parts = await Promise.all([set.part, ...runs.map((run) => run.part)].map(load));
      if (hash === location.hash) examples.compare(parts, runs);
    } catch (error) {
      examples.say(error.message);
    }
  },

  /** @param {...any} content in place of a comparison */
  say(...content) {
    document.getElementById("pair-result").replaceChildren(...content);
    document.getElementById("pair-note").textContent = "";
    document.getElementById("example-table").hidden = true;
  },

  /** @param {any[]} parts what was asked, and the answers of both @param {any[]} runs */
  compare([asked, ofA, ofB], [runA, runB]) {
    const { labels } = asked;
    const sides = labels.map((label, at) => ofA[at] === ofB[at] ? "same" : ofA[at] === label ? "a" : ofB[at] === label ? "b" : "wrong");
    const number = (side) => sides.filter((one) => one === side).length.toLocaleString("en");
    const wanted = Object.hasOwn(SIDES, state.get("side")) ? state.get("side") : "a";
    const unlike = ["code", "device", "data"].filter((_, at) => runA.alike[at] !== runB.alike[at]);
    const tabs = Object.entries(SIDES).map(([side, text]) =>
      el("a", { href: `#side=${side}`, "aria-current": side === wanted ? "true" : null }, `${text}: ${number(side)}`));
    examples.say(
      el("p", {}, `Of ${labels.length.toLocaleString("en")} examples ${number("same")} are answered alike. A: `,
        link({ open: runA.where }, el("code", {}, runA.arm)), ", B: ", link({ open: runB.where }, el("code", {}, runB.arm)), "."),
      unlike.length ? el("p", { class: "warning" }, `The two runs are unlike in ${unlike.join(", ")}.`) : "",
      el("div", { class: "tabs" }, ...tabs),
    );
    document.getElementById("pair-note").textContent = asked.texts.length
      ? `Texts of ${asked.texts.length.toLocaleString("en")} of the ${asked.divided.toLocaleString("en")} examples that some two runs answer differently, the most divided first; of the others the name alone.`
      : "Evidence keeps names of examples, not their texts; build the page with --texts to see them.";
    examples.table(asked, sides.flatMap((side, at) => (side === wanted ? [at] : [])), ofA, ofB);
  },

  /** @param {any} asked @param {number[]} places @param {number[]} ofA @param {number[]} ofB */
  table(asked, places, ofA, ofB) {
    const texts = new Map(asked.texts.map(([at, text, length]) =>
      [at, text.length < length ? `${text} … (${length.toLocaleString("en")} characters)` : text]));
    const called = (label) => asked.classes[label] ?? label;
    const mark = (answer, at) => `${called(answer)} ${answer === asked.labels[at] ? "✓" : "✗"}`;
    const data = places.map((at) => ({ example: asked.names[at], label: called(asked.labels[at]), a: mark(ofA[at], at), b: mark(ofB[at], at), text: texts.get(at) ?? "—" }));
    const column = (title, width) => ({ title, field: title.toLowerCase(), sorter: "alphanum", width, resizable: false });
    const text = { ...column("text", undefined), minWidth: 240, formatter: "textarea" };
    document.getElementById("example-table").hidden = false;
    new Tabulator("#example-table", {
      data, layout: "fitColumns", responsiveLayout: "collapse", pagination: true, paginationSize: 50, paginationButtonCount: 3, renderVertical: "basic",
      columns: [column("example"), column("label", 110), column("A", 110), column("B", 110), ...(texts.size ? [text] : [])],
    });
  },
};
