// SPDX-License-Identifier: Apache-2.0
// The box that explains a request, in the words of `sextant explain`, which the edge itself writes.
import { byId, el } from "./dom.js";

const COLUMN = 12; // the text's first column: the name of a step, or blanks

/** [[name, [line, …]], …] */
function steps(text) {
  const found = [];
  for (const line of text.split("\n").filter((one) => one.trim())) {
    const name = line.slice(0, COLUMN).trim();
    if (name || found.length === 0) found.push([name, []]);
    found.at(-1)[1].push(line.slice(COLUMN));
  }
  return found;
}

function show(text) {
  const list = el("dl", { class: "steps" });
  for (const [name, lines] of steps(text)) {
    list.append(el("dt", {}, name), el("dd", name === "answer" ? { class: "verdict" } : {}, ...lines.map((line) => el("div", {}, line))));
  }
  byId("answer").replaceChildren(list);
}

function refuse(text) {
  byId("answer").replaceChildren(el("p", { class: "refusal" }, text));
}

export function setUpExplain(ask) {
  byId("explain").addEventListener("submit", async (event) => {
    event.preventDefault();
    const query = new URLSearchParams([...new FormData(event.target)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
    query.set("format", "text");
    try {
      const answer = await ask(`/explain?${query}`);
      const text = await answer.text();
      if (answer.ok) show(text);
      else refuse(text.trim() || `the edge answered ${answer.status}`);
    } catch {
      refuse("The edge does not answer.");
    }
  });
}
