// Single keys. They can be switched off, for people whose speech input types them.

import { byId, make } from "./dom.js";
import { recall, remember } from "./switch.js";

/** @param {object} keys by key: [what it does, function] */
export function installShortcuts(keys) {
  const help = byId("help");
  const on = byId("shortcuts-on");
  on.checked = recall("shortcuts") !== "off";
  on.addEventListener("change", () => remember("shortcuts", on.checked ? "on" : "off"));
  byId("help-open").addEventListener("click", () => help.showModal());
  const shown = Object.entries(keys).map(([key, [text]]) => [key, text]);
  shown.push(["↑ ↓", "In the list of messages: go through it"]);
  shown.push(["Enter", "In the list of messages: show all of one"]);
  shown.push(["Ctrl Enter", "In the message field: send"]);
  for (const [key, text] of shown) {
    byId("help-keys").append(make("dt", {}, make("kbd", {}, key)), make("dd", {}, text));
  }
  document.addEventListener("keydown", (event) => {
    const entry = keys[event.key];
    if (entry !== undefined && on.checked && isFree(event)) {
      event.preventDefault();
      entry[1]();
    }
  });
}

function isFree(event) {
  const typing = event.target.closest("input, select, textarea, dialog");
  return typing === null && !event.ctrlKey && !event.metaKey && !event.altKey;
}
