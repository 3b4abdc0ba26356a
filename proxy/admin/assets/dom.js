// SPDX-License-Identifier: Apache-2.0
// Elements, and how numbers are written. Texts of the edge reach the page through textContent and attributes only.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) set(node, name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function shape(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** An attribute, touched only if it changes; null takes it away. */
export function set(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

export function write(node, text) {
  const value = String(text ?? "");
  if (node.textContent !== value) node.textContent = value;
}

export const byId = (id) => document.getElementById(id);

/** Make parent's children be those of the items, by key: old ones are kept and updated, so focus stays where it is. */
export function sync(parent, items, key, create, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = null;
  for (const item of items) {
    const name = String(key(item));
    const child = old.get(name) ?? create(item);
    old.delete(name);
    child.dataset.key = name;
    update(child, item);
    const place = before ? before.nextElementSibling : parent.firstElementChild;
    if (place !== child) parent.insertBefore(child, place);
    before = child;
  }
  for (const child of old.values()) child.remove();
}

/* --- states --------------------------------------------------------------------------------------------------------- */

/* Shape and word tell what the colour does. */
const MARKS = {
  good: "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0M-3 0l2 2.4 4-4.8",
  part: "M0-6.5 6.5 5h-13zM0-2.5v4M0 3.3v.4",
  bad: "M-5.5-5.5h11v11h-11zM-2.6-2.6l5.2 5.2M2.6-2.6l-5.2 5.2",
  off: "M-5.5-5.5h11v11h-11zM-3 0h6",
  info: "M-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0",
};

export function mark(level) {
  const path = MARKS[level] ?? MARKS.info;
  const split = path.indexOf("M", 1);
  const [outer, inner] = split < 0 ? [path, ""] : [path.slice(0, split), path.slice(split)];
  return shape("g", { class: `mark ${level}` }, shape("path", { d: outer, class: "outer" }), shape("path", { d: inner, class: "inner" }));
}

export function icon(level) {
  return shape("svg", { class: "icon", viewBox: "-7 -7 14 14", "aria-hidden": "true" }, mark(level));
}

/** {level, word, why} of a cluster. */
export function clusterState(cluster) {
  const isServing = (endpoint) => endpoint.usable && !endpoint.override;
  const usable = cluster.endpoints.filter(isServing).length;
  const all = cluster.endpoints.length;
  const order = overrideText(cluster.override);
  const out = cluster.endpoints.find((endpoint) => !isServing(endpoint));
  const outOrder = overrideText(out?.override);
  const why = outOrder?.why || out?.reason || "";
  if (order) return { level: "off", word: order.word, why: order.why };
  if (usable === 0) return { level: "bad", word: outOrder?.word ?? out?.state ?? "down", why };
  if (usable < all) return { level: "part", word: `${usable} of ${all} up`, why: `${out.name} ${outOrder?.word ?? out.state}: ${why}` };
  if (cluster.incomplete?.length) return { level: "part", word: "incomplete", why: `it lacks data of home ${cluster.incomplete.join(", ")}, and is not read for them` };
  const doubt = cluster.endpoints.find((endpoint) => endpoint.state === "doubt");
  if (doubt) return { level: "good", word: "up, in doubt", why: doubt.reason };
  return { level: "good", word: "up", why: "" };
}

/** What an operator ordered: {word, why}, or null. */
export function overrideText(override) {
  if (!override) return null;
  const { state, reason, by } = override;
  const words = { drain: "drained", down: "down by order" };
  return { word: words[state] ?? String(state), why: [reason, by && `by ${by}`].filter(Boolean).join(", ") };
}

/* --- numbers -------------------------------------------------------------------------------------------------------- */

const language = "en";
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(language, { notation: "compact", maximumSignificantDigits: 3 });
const names = new Intl.DisplayNames([language], { type: "region" });

export function rate(value) {
  if (!value) return "0";
  return value < 10 ? value.toFixed(1) : whole.format(value);
}

export function count(value) {
  return value < 100000 ? whole.format(value) : short.format(value);
}

export function ms(value) {
  if (value === null || value === undefined) return "–";
  return value < 100 ? value.toFixed(1) : whole.format(value);
}

export function percent(part, all) {
  if (!all) return part ? "100 %" : "0 %";
  const value = (100 * part) / all;
  return `${value > 0 && value < 10 ? value.toFixed(1) : whole.format(value)} %`;
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  for (; value >= 1024 && at < units.length - 1; at++) value /= 1024;
  return `${at && value < 100 ? value.toFixed(1) : whole.format(value)} ${units[at]}`;
}

export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 100) return `${s} s`;
  if (s < 6000) return `${Math.round(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

/** "12:03:04", with the day in front when it is another one than that of `now`; both as the edge writes them. */
export function moment(time, now) {
  return time.slice(0, 10) === now.slice(0, 10) ? time.slice(11, 19) : `${time.slice(5, 10)} ${time.slice(11, 19)}`;
}

export function country(code) {
  if (!code) return "no country";
  try {
    return names.of(code) ?? code;
  } catch {
    return code;
  }
}
