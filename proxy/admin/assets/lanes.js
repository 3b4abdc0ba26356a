// SPDX-License-Identifier: Apache-2.0
// Copies of the homes whose writes this edge brings to other regions, and its journal.
import { byId, bytes, count, el, icon, set, span, sync, write } from "./dom.js";

const LATE_S = 60;

function levelOf(lane) {
  if (lane.points_refused || lane.collections_blocked || lane.walk?.state === "stopped") return "bad";
  return lane.trouble || lane.collections_differ || lane.lag_seconds > LATE_S ? "part" : "good";
}

function doing(lane) {
  const walk = lane.walk ?? {};
  if (walk.state === "stopped") return "asks";
  if (walk.state !== "mends" && walk.state !== "compares") return lane.points_waiting ? "ships" : "equal";
  const share = walk.points > 0 ? Math.min(100, Math.floor((100 * walk.points_passed) / walk.points)) : 100;
  return `${walk.state} ${walk.collection} ${share} %`;
}

function troubles(lane) {
  return [lane.trouble, lane.walk?.trouble, lane.points_refused && `${count(lane.points_refused)} points are refused`,
    lane.collections_blocked && `${count(lane.collections_blocked)} collections are blocked`,
    lane.collections_differ && `${count(lane.collections_differ)} collections differ`].filter(Boolean).join("; ");
}

function updateLane(body, lane) {
  const [row, why] = body.children;
  const [name, state, lag, waiting] = row.children;
  const level = levelOf(lane);
  const text = troubles(lane);

  write(name, `${lane.home} → ${lane.copy}`);
  if (state.dataset.level !== level) state.replaceChildren(icon(level), el("span"));
  state.dataset.level = level;
  write(state.lastElementChild, doing(lane));
  write(lag, lane.lag_seconds < 100 ? `${lane.lag_seconds.toFixed(1)} s` : span(lane.lag_seconds));
  set(lag, "class", lane.lag_seconds > LATE_S ? "n hot" : "n");
  write(waiting, count(lane.points_waiting));
  why.hidden = !text;
  write(why.firstChild, text);
}

/* --- what operators have frozen, released, or ordered to be restored ------------------------------------------------------------ */

const STAGES = {
  off: "was to be, which was called off: it stays closed until it is restored", begins: "begins", claims: "its claim is taken",
  settles: "what was on its way there is waited for", walks: "compared and mended", "sends again": "its last minute is sent again", ends: "ends",
};

function frozenText(row) {
  const who = [row.by && `by ${row.by}`, row.reason].filter(Boolean).join(", ");
  const state = row.released ? `${row.home} is released: another edge may take it` : row.drained ? "drained" : `left: ${row.left || "not known yet"}`;
  return `${row.line}, partition ${row.partition} of ${row.home}: writes are frozen for ${span(row.seconds)}${who ? ` (${who})` : ""}; `
    + `${state}${row.without ? `; without ${row.without}` : ""}`;
}

function restoreText(row) {
  return `${row.home} is brought back from ${row.from}: ${STAGES[row.stage] ?? row.stage}${row.trouble ? `; ${row.trouble}` : ""}`;
}

function showChanges(status) {
  const rows = [
    ...(status.restoring ?? []).map((row) => ({ key: `restore ${row.home}`, level: row.trouble || row.stage === "off" ? "bad" : "part", text: restoreText(row) })),
    ...(status.frozen ?? []).map((row) => ({ key: `frozen ${row.home} ${row.line}`, level: row.released ? "off" : row.drained ? "info" : "part", text: frozenText(row) })),
  ];
  byId("changes").hidden = rows.length === 0;
  sync(byId("changes"), rows, (row) => row.key, () => el("li", {}, icon("info"), el("span")), (node, row) => {
    if (node.dataset.level !== row.level) node.firstElementChild.replaceWith(icon(row.level));
    node.dataset.level = row.level;
    write(node.lastElementChild, row.text);
  });
}

function journalText(journal) {
  if (journal.error) return `Journal: ${journal.error}.`;
  const left = journal.full_in_seconds === undefined ? "does not fill" : `full in ${span(journal.full_in_seconds)} if it goes on like this`;
  const held = journal.writes_held ? `, ${count(journal.writes_held)} of which nobody knows the outcome` : "";
  return `Journal: ${bytes(journal.used_bytes)} of ${bytes(journal.quota_bytes)}, ${left}. Writes under way: ${count(journal.writes_open)}${held}.`;
}

export function showLanes(status) {
  const lanes = status.lanes ?? [];
  byId("lanes").hidden = lanes.length === 0 && !status.journal;
  if (byId("lanes").hidden) return;
  const table = document.querySelector("table.lanes");
  table.tHead.dataset.key = " head";
  sync(table, [null, ...lanes], (lane) => (lane ? `${lane.home}/${lane.copy}` : " head"), () => el("tbody", {},
    el("tr", {}, el("th", { scope: "row" }), el("td", { class: "state" }), el("td", { class: "n" }), el("td", { class: "n" })),
    el("tr", { class: "why" }, el("td", { colspan: 4 }))), (body, lane) => lane && updateLane(body, lane));
  showChanges(status);
  write(byId("journal"), status.journal ? journalText(status.journal) : "");
}
