"use strict";

const INDEX = window.PARTS.get("index");

/**
 * What is shown, held in location.hash alone, so that any view can be linked and "back" works.
 * Every change goes into the hash; the page is drawn from it.
 */
const state = {
  /** Anything else in the hash is the name of a part of the page. */
  keys: ["q", "grid", "task", "kind", "on", "off", "sort", "set", "a", "b", "seed", "side", "from", "open"],

  /** @param {string} key @returns {string[]} */
  all: (key) => new URLSearchParams(location.hash.slice(1)).getAll(key),

  /** @param {string} key @returns {string} its value, empty where it has none */
  get: (key) => state.all(key)[0] ?? "",

  /**
   * An empty value takes its key out. @param {Record<string, string | string[]>} changes
   * @param {boolean} [step] whether "back" is to undo it; typing and sorting are no steps of their own
   */
  set(changes, step = false) {
    const after = new URLSearchParams();
    for (const key of state.keys) {
      const values = Object.hasOwn(changes, key) ? [changes[key]].flat() : state.all(key);
      values.filter(Boolean).forEach((value) => after.append(key, value));
    }
    if (`#${after}` === (location.hash || "#")) return;
    if (step) location.hash = `#${after}`;
    else location.replace(`#${after}`);
  },

  /** The changes that a link asks for; null where it names a part of the page. @param {string} hash */
  asked(hash) {
    const pairs = [...new URLSearchParams(hash.slice(1))].filter(([key]) => state.keys.includes(key));
    return pairs.length ? Object.fromEntries(pairs) : null;
  },
};

/**
 * An element; text only ever becomes a text node.
 * @param {string} tag @param {Record<string, any>} [attributes] null and false leave one out @param {...any} children
 */
function el(tag, attributes = {}, ...children) {
  const svg = ["svg", "line", "circle"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** A link that changes the state. @param {Record<string, string>} changes @param {...any} children */
function link(changes, ...children) {
  return el("a", { href: `#${new URLSearchParams(changes)}` }, ...children);
}

/** The files of the data that were asked for. @type {Map<string, Promise<any[]>>} */
const packs = new Map();

/**
 * A part of the data, whose file is read when it is asked for: a script, as a page opened as a file may not fetch.
 * @param {string} key file and place in it @returns {Promise<any>}
 */
async function load(key) {
  const [pack, place] = key.split("/");
  if (!packs.has(pack)) packs.set(pack, read(pack));
  return (await packs.get(pack))[Number(place)];
}

/** @param {string} pack @returns {Promise<any[]>} */
function read(pack) {
  return new Promise((resolve, reject) => {
    const script = el("script", { src: `data/${pack}.js` });
    script.addEventListener("load", () => resolve(window.PARTS.get(pack)));
    script.addEventListener("error", () => {
      packs.delete(pack); // so that it is tried again
      reject(new Error(`data/${pack}.js cannot be read`));
    });
    document.head.append(script);
  });
}
