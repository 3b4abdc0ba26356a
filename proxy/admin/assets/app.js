// SPDX-License-Identifier: Apache-2.0
// Asks for /status again and again and shows it; says so when no answer comes.
import { byId, count, el, percent, rate, set, span, sync, write } from "./dom.js";
import { setUpExplain } from "./explain.js";
import { showLanes } from "./lanes.js";
import { showMap } from "./map.js";
import { showCallers, showClusters, showEvents, showMapLines } from "./tables.js";

const EVERY_MS = 2000;
const SLOWEST_MS = 30000;
const PATIENCE_MS = 8000;
const TOKEN = "sextant-token";

let failures = 0;
let lastAnswer = null; // when, by this machine's clock
let timer = null;
let isAsking = false;

/* --- asking --------------------------------------------------------------------------------------------------------- */

/** A page of the listener, with the token if there is one. */
export function ask(path) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  return fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
}

function next(delay) {
  clearTimeout(timer);
  timer = setTimeout(poll, delay);
}

async function poll() {
  if (isAsking) return;
  isAsking = true;
  clearTimeout(timer);
  try {
    const answer = await ask("/status?events=60");
    if (answer.status === 401) {
      askForToken();
      return;
    }
    if (!answer.ok) throw new Error(`the edge answered ${answer.status}: ${(await answer.text()).slice(0, 200)}`);
    show(await answer.json());
    failures = 0;
    lastAnswer = Date.now();
    showLive();
    next(EVERY_MS);
  } catch (error) {
    failures++;
    showStale(error);
    next(Math.min(EVERY_MS * 2 ** failures, SLOWEST_MS));
  } finally {
    isAsking = false;
  }
}

/* --- the token ------------------------------------------------------------------------------------------------------ */

function askForToken() {
  const wasWrong = sessionStorage.getItem(TOKEN) !== null;
  sessionStorage.removeItem(TOKEN);
  byId("token").hidden = false;
  byId("main").hidden = true;
  write(byId("token-error"), wasWrong ? "That is not the token." : "");
  write(byId("live"), "a token is needed");
  byId("token-value").focus();
}

function setUpToken() {
  byId("token").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(TOKEN, byId("token-value").value.trim());
    byId("token-value").value = "";
    byId("token").hidden = true;
    poll();
  });
}

/* --- fresh or stale ------------------------------------------------------------------------------------------------- */

function showLive() {
  byId("stale").hidden = true;
  byId("main").hidden = false;
  document.body.classList.remove("is-stale");
  set(byId("live"), "class", "live good");
  write(byId("live"), "live");
}

function showStale(error) {
  const reason = error instanceof TypeError ? "the edge cannot be reached" : error.name === "TimeoutError" ? "the edge does not answer" : error.message;
  byId("stale").hidden = false;
  document.body.classList.add("is-stale");
  set(byId("live"), "class", "live bad");
  write(byId("live"), "not live");
  showAge(reason);
}

let staleReason = "";

function showAge(reason = staleReason) {
  staleReason = reason;
  if (byId("stale").hidden) return;
  const age = lastAnswer === null ? "Nothing has come yet." : `What is shown is ${span((Date.now() - lastAnswer) / 1000)} old.`;
  write(byId("stale-text"), `${age} Reason: ${reason}.`);
}

/* --- showing -------------------------------------------------------------------------------------------------------- */

function show(status) {
  const down = status.clusters.filter((cluster) => !cluster.up).length;
  const readiness = status.draining ? "draining" : status.ready ? "ready" : "not ready";
  const facts = [
    ["State", readiness], ["Requests/s", rate(status.requests_per_s)],
    ["Errors", percent(status.errors_per_s_1m, status.requests_per_s_1m)], ["Connections", count(status.client_connections)],
    ["Up for", span(status.uptime_s)], ["Configuration", status.generation],
  ];
  write(byId("where"), status.region);
  write(byId("version"), `Sextant ${status.version}${status.qdrant_version ? `, Qdrant ${status.qdrant_version}` : ""}, ${status.workers} workers`);
  byId("help").hidden = sessionStorage.getItem(TOKEN) !== null; // a link could not carry it
  document.title = `${down ? `${down} down · ` : ""}Sextant ${status.region}`;
  sync(byId("facts"), facts, ([name]) => name, ([name]) => el("div", {}, el("dt", {}, name), el("dd")), (node, [name, value]) => {
    write(node.lastChild, value);
    set(node, "class", name === "State" && readiness !== "ready" ? "hot" : null);
  });
  byId("warnings").hidden = status.warnings.length === 0;
  sync(byId("warnings"), status.warnings, (text) => text, () => el("li"), (item, text) => write(item, text));
  showClusters(status);
  showLanes(status);
  showMapLines(status);
  showCallers(status);
  showEvents(status);
  showMap(status);
}

/* --- light and dark ------------------------------------------------------------------------------------------------- */

const THEMES = ["auto", "light", "dark"];

function setUpTheme() {
  const button = byId("theme");
  const use = (theme) => {
    set(document.documentElement, "data-theme", theme === "auto" ? null : theme);
    write(button, `Theme: ${theme}`);
    button.dataset.theme = theme;
    localStorage.setItem("sextant-theme", theme);
  };
  use(THEMES.includes(localStorage.getItem("sextant-theme")) ? localStorage.getItem("sextant-theme") : "auto");
  button.addEventListener("click", () => use(THEMES[(THEMES.indexOf(button.dataset.theme) + 1) % THEMES.length]));
}

setUpTheme();
setUpToken();
setUpExplain(ask);
byId("retry").addEventListener("click", poll);
setInterval(() => showAge(), 1000);
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : poll()));
poll();
