"use strict";

/**
 * A record as YAML, to be read and copied.
 * @param {any} value
 * @param {string} [indent]
 * @returns {string}
 */
function yaml(value, indent = "") {
  if (value === null || typeof value !== "object") return yamlText(value);
  const pairs = Array.isArray(value) ? value.map((item) => ["-", item]) : Object.entries(value).map(([key, item]) =>
    [`${yamlText(key)}:`, item]);
  if (!pairs.length) return Array.isArray(value) ? "[]" : "{}";
  return pairs.map(([head, item]) => `${indent}${head}${yamlItem(item, indent)}`).join("\n");
}

/** @param {any} item @param {string} indent */
function yamlItem(item, indent) {
  const nested = item !== null && typeof item === "object" && Object.keys(item).length > 0;
  if (nested && Array.isArray(item) && item.every((one) => one === null || typeof one !== "object")) {
    return ` [${item.map(yamlText).join(", ")}]`;
  }
  return nested ? `\n${yaml(item, `${indent}  `)}` : ` ${yaml(item)}`;
}

/** Plain where no reader of YAML could take it for something else, else in quotes. @param {any} value */
function yamlText(value) {
  if (typeof value !== "string") return String(value);
  const plain = /^[A-Za-z_][\w./+-]*( [\w./+()-]+)*$/.test(value) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(value);
  return plain ? value : JSON.stringify(value);
}
