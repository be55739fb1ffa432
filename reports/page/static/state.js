"use strict";

/**
 * What is shown, held in location.hash alone, so that any view can be linked and "back" works.
 * Every change goes into the hash; the page is drawn from it.
 */
const state = {
  /** The keys that are state; anything else in the hash is the name of a part of the page. */
  keys: ["q", "grid", "task", "kind", "on", "off", "sort", "set", "a", "b", "seed", "side", "from", "open"],

  /** @returns {URLSearchParams} */
  read() {
    return new URLSearchParams(location.hash.slice(1));
  },

  /** @param {string} key @returns {string} its value, empty where it has none */
  get(key) {
    return state.read().get(key) ?? "";
  },

  /** @param {string} key @returns {string[]} */
  all(key) {
    return state.read().getAll(key);
  },

  /**
   * The hash after some changes; an empty value takes its key out.
   * @param {Record<string, string | string[]>} changes
   * @returns {string}
   */
  changed(changes) {
    const before = state.read();
    const after = new URLSearchParams();
    for (const key of state.keys) {
      const values = Object.hasOwn(changes, key) ? [changes[key]].flat() : before.getAll(key);
      values.filter(Boolean).forEach((value) => after.append(key, value));
    }
    return `#${after}`;
  },

  /**
   * @param {Record<string, string | string[]>} changes
   * @param {boolean} [step] whether "back" is to undo it; typing and sorting are no steps of their own
   */
  set(changes, step = false) {
    const hash = state.changed(changes);
    if (hash === (location.hash || "#")) return;
    if (step) location.hash = hash;
    else location.replace(hash);
  },

  /**
   * The changes that a link asks for: its own hash holds only these.
   * @param {string} hash
   * @returns {Record<string, string> | null} null where the hash is no state
   */
  asked(hash) {
    const pairs = [...new URLSearchParams(hash.slice(1))].filter(([key]) => state.keys.includes(key));
    return pairs.length ? Object.fromEntries(pairs) : null;
  },
};
