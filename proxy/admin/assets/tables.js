// SPDX-License-Identifier: Apache-2.0
// The tables: clusters with their endpoints, callers, the partition map, events.
import { byId, bytes, clusterState, count, country, el, icon, moment, ms, overrideText, percent, rate, set, shape, span, sync, write } from "./dom.js";

const TREND = 60; // samples: two minutes
const ENDPOINT_LEVELS = { new: "good", up: "good", doubt: "part", "ramp-up": "part", ejected: "bad", down: "bad", unresolved: "bad" };

const cells = (...kinds) => kinds.map((kind) => el("td", kind ? { class: kind } : {}));

/* --- clusters ------------------------------------------------------------------------------------------------------- */

const opened = new Map(); // cluster → shown or not, by its button
const trends = new Map();

function setState(cell, level, word) {
  if (cell.dataset.level !== level) cell.replaceChildren(icon(level), el("span"));
  cell.dataset.level = level;
  write(cell.lastElementChild, word);
}

function createCluster(cluster) {
  const button = el("button", { type: "button", class: "fold" });
  const body = el("tbody", {}, el("tr", { class: "cluster" }, el("th", { scope: "row" }, button, el("small")),
    ...cells("state", "n", "n opt", "n opt", "n opt", "n", "spark opt", "n")));
  button.addEventListener("click", () => {
    opened.set(cluster.name, button.getAttribute("aria-expanded") !== "true");
    fold(body, opened.get(cluster.name));
  });
  body.querySelector(".spark").append(shape("svg", { class: "trend", viewBox: "0 0 60 20", preserveAspectRatio: "none", "aria-hidden": "true" },
    shape("polyline", { points: "" })));
  return body;
}

function fold(body, isOpen) {
  set(body.querySelector(".fold"), "aria-expanded", String(isOpen));
  for (const row of body.querySelectorAll("tr:not(.cluster)")) row.hidden = !isOpen;
}

function drawTrend(polyline, cluster) {
  const values = trends.get(cluster.name) ?? [];
  const largest = Math.max(...values, 1);
  values.push(cluster.requests_per_s);
  if (values.length > TREND) values.shift();
  trends.set(cluster.name, values);
  set(polyline, "points", values.map((value, i) => `${TREND - values.length + i + 1},${(18 - (16 * value) / largest).toFixed(1)}`).join(" "));
}

function updateCluster(body, cluster, status) {
  const [row] = body.children;
  const [head, state, rtt, cost, load, connections, requests, , errors] = row.children;
  const { level, word, why } = clusterState(cluster);
  const share = cluster.errors_per_s_1m && cluster.requests_per_s_1m ? cluster.errors_per_s_1m / cluster.requests_per_s_1m : 0;

  write(head.firstChild, cluster.name);
  write(head.lastChild, [cluster.country, cluster.name === status.local_cluster ? "local" : ""].filter(Boolean).join(", "));
  setState(state, level, word);
  set(state, "title", why || null);
  write(rtt, ms(cluster.rtt_ms));
  write(cost, ms(cluster.cost_ms));
  write(load, cluster.waiting ? `${cluster.outstanding} + ${cluster.waiting}` : cluster.outstanding);
  write(connections, cluster.connections);
  write(requests, rate(cluster.requests_per_s));
  drawTrend(row.querySelector("polyline"), cluster);
  write(errors, percent(cluster.errors_per_s_1m, cluster.requests_per_s_1m));
  set(errors, "class", share >= 0.01 ? "n hot" : "n");
  set(errors, "title", `${rate(cluster.errors_per_s_1m)} of ${rate(cluster.requests_per_s_1m)} requests/s over the last minute`);
  updateEndpoints(body, cluster, status);
  fold(body, opened.get(cluster.name) ?? level !== "good");
}

function updateEndpoints(body, cluster, status) {
  const rows = [{ row: "cluster" }];
  const order = overrideText(cluster.override);
  if (order) rows.push({ row: "why", text: `Ordered: ${order.word}. ${order.why}` });
  for (const endpoint of cluster.endpoints) {
    const name = `${endpoint.name} ${endpoint.address}`;
    const why = overrideText(endpoint.override)?.why || endpoint.reason;
    rows.push({ row: `endpoint ${name}`, endpoint });
    if (why) rows.push({ row: `why ${name}`, text: why, isNarrow: true }); // beside it where there is room
  }
  body.firstElementChild.dataset.key ??= "cluster";
  sync(body, rows, (row) => row.row, createRow, (node, row) => {
    if (row.text) write(node.firstChild, row.text);
    if (row.endpoint) updateEndpoint(node, row.endpoint, status);
  });
}

function createRow(row) {
  if (row.text) return el("tr", { class: row.isNarrow ? "why narrow" : "why" }, el("td", { colspan: 9 }));
  return el("tr", { class: "endpoint" }, el("th", { scope: "row" }), el("td", { class: "state" }),
    ...cells("n", "opt", "n opt", "n opt"), el("td", { colspan: 3, class: "since" }, el("span"), el("span", { class: "opt" })));
}

function updateEndpoint(node, endpoint, status) {
  const [head, state, latency, , load, connections, time] = node.children;
  const since = endpoint.since ? (Date.parse(status.time) - Date.parse(endpoint.since)) / 1000 : null;
  const order = overrideText(endpoint.override);

  write(head, endpoint.name);
  set(head, "title", `${endpoint.url} ${endpoint.address}`);
  setState(state, order ? "off" : (ENDPOINT_LEVELS[endpoint.state] ?? "info"), order?.word ?? endpoint.state);
  write(latency, endpoint.latency_ms ? ms(endpoint.latency_ms) : "–");
  set(latency, "title", "first byte of an answer, on average, milliseconds");
  write(load, endpoint.outstanding ?? 0);
  write(connections, endpoint.connections ?? 0);
  write(time.firstChild, since === null ? "" : `for ${span(since)}`);
  write(time.lastChild, order?.why || endpoint.reason ? `: ${order?.why || endpoint.reason}` : "");
}

export function showClusters(status) {
  const table = document.querySelector("table.clusters");
  const head = table.tHead;
  head.dataset.key = " head";
  sync(table, [null, ...status.clusters], (cluster) => (cluster ? cluster.name : " head"), createCluster,
    (body, cluster) => cluster && updateCluster(body, cluster, status));
}

/* --- callers -------------------------------------------------------------------------------------------------------- */

const CALLERS_SHOWN = 40;

export function showCallers(status) {
  const all = status.callers.reduce((sum, caller) => sum + caller.requests_per_s_1m, 0);
  const rows = [...status.callers].sort((a, b) => b.requests_per_s_1m - a.requests_per_s_1m || b.requests_total - a.requests_total);
  const body = document.querySelector("table.callers tbody");
  sync(body, rows.slice(0, CALLERS_SHOWN), (caller) => caller.country || "none",
    () => el("tr", {}, el("th", { scope: "row" }), ...cells("n", "n", "n")), (row, caller) => {
      const [name, now, share, total] = row.children;
      write(name, caller.country ? `${country(caller.country)} (${caller.country})` : "no country");
      write(now, rate(caller.requests_per_s));
      write(share, percent(caller.requests_per_s_1m, all));
      write(total, count(caller.requests_total));
    });
  const more = rows.length > CALLERS_SHOWN ? `${rows.length - CALLERS_SHOWN} more countries are in /status. ` : "";
  const by = Object.entries(status.places).filter(([, n]) => n > 0).map(([source, n]) => `${source} ${count(n)}`);
  write(byId("places"), rows.length ? `${more}Places found by: ${by.join(", ") || "nothing yet"}` : "No requests yet.");
}

/* --- the partition map ---------------------------------------------------------------------------------------------- */

function options(rule) {
  return [rule.strict && "residency=strict", rule.copies !== "none" && `copies=${rule.copies}`, rule.read !== "nearest" && `read=${rule.read}`,
    rule.write !== "home" && `write=${rule.write}`, rule.all_down !== "try" && `all_down=${rule.all_down}`].filter(Boolean).join(" ");
}

function updateRule(body, rule, index, levels) {
  const every = { name: "all partitions at once", areas: ["schema and lists"], clusters: [], ...rule.every_partition };
  const rows = [null, ...rule.partitions, ...(every.requests_total ? [every] : [])];
  sync(body, rows, (row) => (row ? `p ${row.name}` : "rule"), (row) => (row ? el("tr", {}, el("th", { scope: "row" }),
    ...cells("homes", "n", "n opt", "n opt")) : el("tr", { class: "rule" }, el("th", { colspan: 5, scope: "rowgroup" },
      el("span", { class: "number" }), el("code"), el("small")))), (node, row) => {
    if (row) {
      updatePartition(node, row, levels);
      return;
    }
    const [number, patterns, small] = node.firstChild.children;
    write(number, index + 1);
    write(patterns, rule.patterns.join(", "));
    write(small, options(rule));
    set(node, "title", `line ${rule.line}: ${rule.text}`);
  });
}

function updatePartition(node, partition, levels) {
  const [areas, homes, requests, there, back] = node.children;
  write(areas, partition.areas.join(", "));
  sync(homes, partition.clusters, (name) => name, () => el("span", { class: "home" }), (span_, name) => {
    const level = levels.get(name) ?? "info";
    if (span_.dataset.level !== level) span_.replaceChildren(icon(level), el("span"));
    span_.dataset.level = level;
    write(span_.lastElementChild, name);
  });
  write(requests, count(partition.requests_total));
  write(there, bytes(partition.bytes_to_cluster));
  write(back, bytes(partition.bytes_to_caller));
}

export function showMapLines(status) {
  const table = document.querySelector("table.rules");
  const levels = new Map(status.clusters.map((cluster) => [cluster.name, clusterState(cluster).level]));
  const rules = status.map.rules.map((rule, index) => ({ rule, index }));
  table.tHead.dataset.key = " head";
  sync(table, [null, ...rules], (row) => (row ? `${row.index} ${row.rule.text}` : " head"), () => el("tbody"),
    (body, row) => row && updateRule(body, row.rule, row.index, levels));
}

/* --- events --------------------------------------------------------------------------------------------------------- */

const EVENT_LEVELS = { good: "good", info: "info", warning: "part", bad: "bad" };
let newest = null;

export function showEvents(status) {
  sync(byId("events"), status.events, (event) => event.number, (event) => el("li", {}, icon(EVENT_LEVELS[event.level] ?? "info"),
    el("time"), el("span", { class: "what" }, el("b"), el("span"), el("i"))), (row, event) => {
    const [, time, what] = row.children;
    write(time, moment(event.time, status.time));
    set(time, "datetime", event.time);
    write(what.children[0], event.subject || event.kind);
    write(what.children[1], ` ${event.text}`);
    write(what.children[2], event.times > 1 ? ` ${event.times} times` : "");
  });
  const fresh = status.events.filter((event) => newest !== null && event.number > newest && event.level !== "info");
  if (fresh.length) write(byId("news"), fresh.slice(0, 3).map((event) => `${event.subject} ${event.text}`).join(". "));
  newest = status.events[0]?.number ?? 0;
}
