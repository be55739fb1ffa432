"use strict";

/**
 * @typedef {{name: string, every: number, steps: number[], values: (number | null)[]}} Curve
 */

const BOX = { width: 280, height: 120, left: 44, right: 6, top: 8, bottom: 20 };

/** @param {number} value @returns {string} with three significant digits */
function short(value) {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/**
 * One measure over steps.
 * @param {Curve} curve
 * @returns {HTMLElement}
 */
function curveFigure(curve) {
  const points = curve.steps.map((step, at) => ({ step, value: curve.values[at] })).filter(({ value }) => value !== null);
  if (!points.length) return el("figure", {}, el("figcaption", {}, `${curve.name}: no finite value`));
  const values = points.map(({ value }) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const last = points[points.length - 1];
  const said = `${curve.name}: ${short(values[0])} at step ${points[0].step}, ${short(last.value)} at step ${last.step}`;
  const thinned = curve.every > 1 ? `; one point of ${curve.every}` : "";
  return el("figure", { class: "curve" }, curvePicture(points, low, high, said), el("figcaption", {}, `${said}${thinned}`));
}

/**
 * @param {{step: number, value: number}[]} points
 * @param {number} low @param {number} high @param {string} said
 */
function curvePicture(points, low, high, said) {
  const [start, end] = [points[0].step, points[points.length - 1].step];
  const x = (step) => BOX.left + ((step - start) / (end - start || 1)) * (BOX.width - BOX.left - BOX.right);
  const y = (value) => BOX.height - BOX.bottom - ((value - low) / (high - low || 1)) * (BOX.height - BOX.top - BOX.bottom);
  const path = points.map(({ step, value }) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const dots = points.length > 30 ? [] : points.map(({ step, value }) => svg("circle", { cx: x(step), cy: y(value), r: 2 }));
  const bounds = low === high ? [low] : [low, high];
  const grid = bounds.flatMap((value) => [
    svg("line", { x1: BOX.left, x2: BOX.width - BOX.right, y1: y(value), y2: y(value), class: "grid" }),
    svg("text", { x: BOX.left - 5, y: y(value) + 3.5, "text-anchor": "end" }, short(value)),
  ]);
  const steps = [[start, "start"], [end, "end"]].map(([step, anchor]) =>
    svg("text", { x: x(step), y: BOX.height - 5, "text-anchor": anchor }, String(step)));
  return svg("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img", "aria-label": said },
    ...grid, svg("polyline", { points: path }), ...dots, ...(start === end ? steps.slice(0, 1) : steps));
}
