// SPDX-License-Identifier: Apache-2.0
// The world: countries shaded by their requests, clusters by state, and the ways from this edge to them.
import { byId, clusterState, country, el, icon, mark, ms, rate, set, shape, sync, write } from "./dom.js";
import { project } from "./projection.js";

const VIEW = { x: 110, y: 24, width: 1830, height: 890 };
const STEPS = 5;
const NARROW = 520;

let layers = null;
let known = new Map(); // code → path
let last = null;
let wanted = false;

/** Pixels of the screen in units of the map. */
const unit = () => VIEW.width / Math.max(200, byId("map").clientWidth);

async function build() {
  const answer = await fetch("/assets/world.json");
  if (!answer.ok) throw new Error(`no map: ${answer.status}`);
  const world = await answer.json();
  const svg = byId("map");
  layers = {};
  set(svg, "viewBox", `${VIEW.x} ${VIEW.y} ${VIEW.width} ${VIEW.height}`);
  for (const name of ["land", "dots", "ways", "clusters"]) {
    layers[name] = shape("g", { class: name });
    svg.append(layers[name]);
  }
  for (const [code, path] of world.countries) {
    const land = shape("path", { d: path, class: "country" }, shape("title"));
    write(land.firstChild, code ? country(code) : "");
    layers.land.append(land);
    if (code) known.set(code, land);
  }
  new ResizeObserver(() => last && draw(last)).observe(svg);
  buildLegend();
}

function buildLegend() {
  const legend = byId("legend");
  const states = [["good", "up"], ["part", "partly up"], ["bad", "down"], ["off", "taken out by an operator"]];
  for (const [level, word] of states) legend.append(el("span", {}, icon(level), word));
  legend.append(el("span", {}, shape("svg", { class: "icon", viewBox: "-7 -7 14 14", "aria-hidden": "true" },
    shape("circle", { r: 5.5, class: "edge" })), "this edge"));
  const scale = el("span", { class: "scale" }, "requests from a country: few ");
  for (let step = 1; step <= STEPS; step++) scale.append(el("i", { class: `step${step}` }));
  legend.append(scale, " many");
  scale.append(" many");
  legend.lastChild.remove();
}

/* --- callers -------------------------------------------------------------------------------------------------------- */

/** 1 to STEPS; by the square root, so that the second largest is still seen beside the largest. */
function stepOf(value, largest) {
  return value > 0 ? Math.max(1, Math.ceil(STEPS * Math.sqrt(value / largest))) : 0;
}

function drawCallers(callers) {
  const largest = Math.max(...callers.map((caller) => caller.requests_per_s_1m), 0);
  const seen = new Map(callers.map((caller) => [caller.country, caller]));
  for (const [code, land] of known) {
    const now = seen.get(code)?.requests_per_s_1m ?? 0;
    const step = stepOf(now, largest);
    set(land, "class", step ? `country step${step}` : "country");
    write(land.firstChild, now ? `${country(code)}: ${rate(now)} requests/s` : country(code));
  }
  const small = callers.filter((caller) => caller.lat !== undefined && !known.has(caller.country) && caller.requests_per_s_1m > 0);
  sync(layers.dots, small, (caller) => caller.country, () => shape("circle", {}, shape("title")), (dot, caller) => {
    const [x, y] = project(caller.lat, caller.lon);
    set(dot, "cx", x.toFixed(0));
    set(dot, "cy", y.toFixed(0));
    set(dot, "r", (4 * unit()).toFixed(1));
    set(dot, "class", `country dot step${stepOf(caller.requests_per_s_1m, largest)}`);
    write(dot.firstChild, `${country(caller.country)}: ${rate(caller.requests_per_s_1m)} requests/s`);
  });
}

/* --- clusters ------------------------------------------------------------------------------------------------------- */

/** Clusters of one city stand beside each other. */
function places(clusters, u) {
  const found = clusters.map((cluster) => {
    const [x, y] = project(cluster.lat, cluster.lon);
    return { cluster, x, y };
  });
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < found.length; i++) {
      for (let k = 0; k < i; k++) push(found[k], found[i], 17 * u);
    }
  }
  return found;
}

function push(a, b, least) {
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const length = Math.hypot(dx, dy);
  if (length >= least) return;
  const shift = (least - length) / 2 + 0.1;
  const [ux, uy] = length ? [dx / length, dy / length] : [1, 0];
  a.x -= ux * shift;
  a.y -= uy * shift;
  b.x += ux * shift;
  b.y += uy * shift;
}

/** Right, left, below or above of the mark, wherever nothing stands yet. All in pixels. */
function labelAt(place, width, height, taken, u) {
  const [x, y] = [place.x / u, place.y / u];
  const tries = [[12, -height / 2, "start"], [-12 - width, -height / 2, "end"], [-width / 2, 11, "middle"],
    [-width / 2, -11 - height, "middle"], [8, 8, "start"], [8, -8 - height, "start"], [-8 - width, 8, "end"], [-8 - width, -8 - height, "end"]];
  const bounds = { left: VIEW.x / u, right: (VIEW.x + VIEW.width) / u };
  for (const [dx, dy, anchor] of tries) {
    const box = { left: x + dx, top: y + dy, right: x + dx + width, bottom: y + dy + height };
    const isFree = taken.every((other) => box.right < other.left || box.left > other.right || box.bottom < other.top || box.top > other.bottom);
    if (!isFree || box.left < bounds.left || box.right > bounds.right) continue;
    taken.push(box);
    return { x: anchor === "start" ? dx : anchor === "end" ? dx + width : dx + width / 2, y: dy, anchor };
  }
  return null;
}

function createCluster() {
  return shape("g", {}, shape("g", { class: "holder" }), shape("text", { class: "label" },
    shape("tspan", { class: "name" }), shape("tspan", { class: "more" })), shape("title"));
}

function drawCluster(node, place, taken, u) {
  const { cluster } = place;
  const [holder, label, title] = node.children;
  const state = clusterState(cluster);
  const isNarrow = byId("map").clientWidth < NARROW;
  const more = isNarrow ? "" : state.level === "bad" || state.level === "off" ? state.word
    : `${ms(cluster.rtt_ms)} ms · ${rate(cluster.requests_per_s)}/s`;
  const width = 7.5 * Math.max(cluster.name.length, more.length * 0.85);
  const at = labelAt(place, width, more ? 27 : 14, taken, u);

  set(node, "transform", `translate(${place.x.toFixed(1)} ${place.y.toFixed(1)}) scale(${u.toFixed(3)})`);
  if (holder.dataset.level !== state.level) holder.replaceChildren(mark(state.level));
  holder.dataset.level = state.level;
  write(label.children[0], at ? cluster.name : "");
  write(label.children[1], at ? more : "");
  write(title, `${cluster.name}: ${state.word}${state.why ? `, ${state.why}` : ""}`);
  if (!at) return;
  set(label, "text-anchor", at.anchor);
  set(label.children[0], "x", at.x);
  set(label.children[0], "y", at.y + 11);
  set(label.children[1], "x", at.x);
  set(label.children[1], "y", at.y + 24);
}

/** The edge stands where the cluster of its city is drawn. */
function edgePlace(status, found) {
  const beside = found.find(({ cluster }) => Math.abs(cluster.lat - status.lat) < 0.3 && Math.abs(cluster.lon - status.lon) < 0.3);
  const [x, y] = project(status.lat, status.lon);
  return beside ?? { x, y };
}

function drawWays(status, found, u) {
  const hasEdge = status.lat !== undefined;
  const { x, y } = hasEdge ? edgePlace(status, found) : { x: 0, y: 0 };
  const largest = Math.max(...status.clusters.map((cluster) => cluster.requests_per_s), 1);
  const ways = hasEdge ? found.filter((place) => Math.hypot(place.x - x, place.y - y) > 24 * u) : [];

  sync(layers.ways, ways, (place) => place.cluster.name, () => shape("path"), (way, place) => {
    const bend = Math.hypot(place.x - x, place.y - y) * 0.18;
    set(way, "d", `M${x.toFixed(0)} ${y.toFixed(0)}Q${((x + place.x) / 2).toFixed(0)} ${((y + place.y) / 2 - bend).toFixed(0)} ${place.x.toFixed(0)} ${place.y.toFixed(0)}`);
    set(way, "class", `way ${clusterState(place.cluster).level}`);
    set(way, "stroke-width", (u * (1 + 3 * Math.sqrt(place.cluster.requests_per_s / largest))).toFixed(2));
  });
  if (!hasEdge) return;
  const ring = shape("circle", { cx: x.toFixed(0), cy: y.toFixed(0), r: (10 * u).toFixed(1), class: "edge", "data-key": " edge" });
  layers.ways.append(ring);
}

function draw(status) {
  const u = unit();
  const found = places(status.clusters, u);
  const taken = found.map(({ x, y }) => ({ left: x / u - 9, right: x / u + 9, top: y / u - 9, bottom: y / u + 9 }));
  drawCallers(status.callers);
  drawWays(status, found, u);
  sync(layers.clusters, found, (place) => place.cluster.name, createCluster, (node, place) => drawCluster(node, place, taken, u));
}

export async function showMap(status) {
  last = status;
  if (layers) draw(status);
  else if (!wanted) {
    wanted = true;
    try {
      await build();
      draw(last);
    } catch {
      [layers, wanted] = [null, false]; // another time
    }
  }
}
