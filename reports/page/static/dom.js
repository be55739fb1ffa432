"use strict";

/** Elements are made here alone, and text only ever becomes a text node: nothing that is shown is parsed as HTML. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {Node | string | number | null | undefined} Child
 */

/**
 * @param {Element} element
 * @param {Record<string, string | number | boolean | null>} attributes false and null leave one out
 * @param {Child[]} children
 */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined).map((child) =>
    child instanceof Node ? child : document.createTextNode(String(child))));
  return element;
}

/**
 * @param {string} tag
 * @param {Record<string, string | number | boolean | null>} [attributes]
 * @param {...Child} children
 * @returns {HTMLElement}
 */
function el(tag, attributes = {}, ...children) {
  return /** @type {HTMLElement} */ (filled(document.createElement(tag), attributes, children));
}

/**
 * @param {string} tag
 * @param {Record<string, string | number | boolean | null>} [attributes]
 * @param {...Child} children
 * @returns {Element}
 */
function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * A link that changes the state.
 * @param {Record<string, string>} changes
 * @param {...Child} children
 */
function link(changes, ...children) {
  return el("a", { href: `#${new URLSearchParams(changes)}` }, ...children);
}

/**
 * A long name, with places where a narrow column may break it.
 * @param {string} text
 * @returns {Child[]}
 */
function breakable(text) {
  return text.split(/(?<=[+/])/).flatMap((piece, at) => (at ? [el("wbr"), piece] : [piece]));
}

/**
 * A share in per cent.
 * @param {number | null | undefined} share
 * @returns {string} a dash where it is missing
 */
function percent(share) {
  return share === null || share === undefined ? "—" : (100 * share).toFixed(2);
}

/**
 * A part of the data, read when it is asked for: a script, as a page opened as a file may not fetch.
 * @param {string} key
 * @returns {Promise<any>}
 */
function load(key) {
  const parts = /** @type {Map<string, any>} */ (window.PARTS);
  if (parts.has(key)) return Promise.resolve(parts.get(key));
  return new Promise((resolve, reject) => {
    const script = el("script", { src: `data/${key}.js` });
    script.addEventListener("load", () => resolve(parts.get(key)));
    script.addEventListener("error", () => reject(new Error(`data/${key}.js cannot be read`)));
    document.head.append(script);
  });
}
