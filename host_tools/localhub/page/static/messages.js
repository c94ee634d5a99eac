// The list of messages: newest first, bounded, drawn at most once per frame.

import { byId, bytes, clock, count, make, plural, setText } from "./dom.js";

const KEPT = 1000;
const DRAWN = 200;
// A flood is drawn less often: nobody reads ten screens a second.
const FLOOD = 50;
const FLOOD_PAUSE = 250;

const ARROWS = { in: "↑", out: "↓" };
const WAYS = { in: "from a client", out: "to clients" };

export class Messages {
  constructor() {
    this.kept = []; // newest first
    this.fresh = []; // newest last, not drawn yet
    this.skipped = 0;
    this.total = 0;
    this.paused = false;
    this.held = 0; // how many came while the list stood still
    this.due = false;
    this.lastDrawn = 0;
    this.list = byId("messages-rows");
    this.filter = byId("messages-filter");
    this.pauseButton = byId("messages-pause");
    this.newer = byId("messages-newer");
    this.pauseButton.addEventListener("click", () => this.togglePause());
    byId("messages-clear").addEventListener("click", () => this.clear());
    this.newer.addEventListener("click", () => this.catchUp());
    this.filter.addEventListener("input", () => this.redraw());
    this.list.addEventListener("click", (event) => this.toggleRow(event.target.closest(".row")));
    this.list.addEventListener("keydown", (event) => this.move(event));
    this.list.addEventListener("scroll", () => {
      if (!this.stands && this.held > 0) {
        this.redraw();
      }
    }, { passive: true });
    this.list.addEventListener("focusout", () => {
      requestAnimationFrame(() => !this.stands && this.held > 0 && this.redraw());
    });
  }

  /** Take rows of the service, oldest first, and how many it left out. */
  add(rows, skipped) {
    this.total += rows.length + skipped;
    this.skipped += skipped;
    this.kept = [...rows.toReversed(), ...this.kept].slice(0, KEPT);
    this.fresh.push(...rows);
    if (this.fresh.length > DRAWN) {
      this.fresh.splice(0, this.fresh.length - DRAWN);
    }
    if (this.stands) {
      this.held += rows.length;
    }
    this.drawSoon();
  }

  /** Whether the list stands still: on request, or because somebody reads. */
  get stands() {
    return this.paused || this.list.scrollTop > 0 || this.list.contains(document.activeElement)
      || this.list.querySelector("[aria-expanded=true]") !== null;
  }

  drawSoon() {
    if (this.due) {
      return;
    }
    this.due = true;
    const since = performance.now() - this.lastDrawn;
    const wait = this.fresh.length > FLOOD ? Math.max(0, FLOOD_PAUSE - since) : 0;
    setTimeout(() => requestAnimationFrame(() => this.draw()), wait);
  }

  draw() {
    this.due = false;
    this.lastDrawn = performance.now();
    if (!this.stands) {
      const fresh = this.fresh.filter((row) => this.matches(row)).reverse();
      this.list.prepend(...fresh.map(makeRow));
      while (this.list.children.length > DRAWN) {
        this.list.lastElementChild.remove();
      }
      this.held = 0;
      this.fresh = [];
      this.roam();
    }
    this.drawCounts();
  }

  drawCounts() {
    const left = this.skipped > 0 ? `, ${count(this.skipped)} only counted` : "";
    setText(byId("messages-count"), this.total > 0 ? `${count(this.total)}${left}` : "");
    byId("messages-empty").hidden = this.total > 0;
    this.newer.hidden = this.held === 0;
    setText(this.newer, `${plural(this.held, "newer message")}`);
  }

  /** Draw everything that is kept and matches the filter. */
  redraw() {
    const rows = this.kept.filter((row) => this.matches(row)).slice(0, DRAWN);
    this.list.replaceChildren(...rows.map(makeRow));
    this.held = 0;
    this.fresh = [];
    this.roam();
    this.drawCounts();
  }

  matches(row) {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0) {
      return true;
    }
    const text = [row.kind, row.hub, row.group, row.user, row.to, row.connection, row.event,
      row.type, row.text].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  }

  togglePause() {
    this.paused = !this.paused;
    this.pauseButton.setAttribute("aria-pressed", this.paused);
    this.pauseButton.textContent = this.paused ? "Resume" : "Pause";
    if (!this.paused) {
      this.catchUp();
    }
  }

  catchUp() {
    if (this.paused) {
      this.togglePause();
      return;
    }
    if (this.list.contains(document.activeElement)) {
      document.activeElement.blur();
    }
    this.list.scrollTop = 0;
    this.redraw();
  }

  clear() {
    this.kept = [];
    this.total = 0;
    this.skipped = 0;
    this.redraw();
  }

  // -- with the keyboard ------------------------------------------------------------------

  /** One row can be reached with Tab; the arrow keys go on from there. */
  roam() {
    if (this.list.querySelector(".row[tabindex='0']") === null) {
      this.list.querySelector(".row")?.setAttribute("tabindex", "0");
    }
  }

  move(event) {
    const rows = [...this.list.querySelectorAll(".row")];
    const at = rows.indexOf(document.activeElement);
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 };
    const row = rows[steps[event.key]];
    if (at >= 0 && row !== undefined) {
      event.preventDefault();
      rows[at].tabIndex = -1;
      row.tabIndex = 0;
      row.focus();
    }
  }

  toggleRow(row) {
    if (row === null) {
      return;
    }
    const open = row.getAttribute("aria-expanded") === "true";
    row.setAttribute("aria-expanded", !open);
    if (open) {
      row.nextElementSibling.remove();
    } else {
      row.after(makeWhole(row.message));
    }
  }
}

function makeRow(message) {
  const way = message.direction ?? "";
  const row = make("button", { type: "button", className: "row", tabIndex: -1, message },
    span("time", clock(message.at)),
    make("span", { className: "way", title: WAYS[way] ?? "", "aria-label": WAYS[way] ?? "" }, ARROWS[way] ?? "·"),
    span("kind", message.kind),
    span("where", where(message)),
    span("text", message.text || message.event || ""),
    span("size", message.size === undefined ? "" : bytes(message.size)));
  row.dataset.way = way;
  row.dataset.kind = message.kind;
  row.setAttribute("aria-expanded", "false");
  return make("li", {}, row);
}

function span(name, text) {
  return make("span", { className: name, textContent: text });
}

/** Where a message comes from and goes to, in a few words. */
function where(message) {
  const user = message.user ?? "anonymous";
  switch (message.kind) {
    case "publish": return `${user} → ${message.group}`;
    case "event": return `${user} → server`;
    case "group": return `server → ${message.group}`;
    case "server":
      return `server → ${message.connection ? message.to ?? "anonymous" : plural(message.receivers, "connection")}`;
    case "joined":
    case "left": return `${user}: ${message.group}`;
    default: return user;
  }
}

function makeWhole(message) {
  const facts = [
    ["Hub", message.hub],
    ["Group", message.group],
    ["User", message.user ?? message.to],
    ["Connection", message.connection],
    ["Event", message.event],
    ["Receivers", message.receivers === undefined ? undefined : count(message.receivers)],
    ["Data type", message.type],
    ["Size", message.size === undefined ? undefined : `${count(message.size)} bytes`],
  ].filter(([, text]) => text !== undefined && text !== null);
  const list = make("dl", { className: "facts" });
  for (const [name, text] of facts) {
    list.append(make("div", {}, make("dt", {}, name), make("dd", {}, text)));
  }
  const whole = make("div", { className: "whole" }, list);
  if (message.text) {
    whole.append(make("pre", {}, message.text));
  }
  return whole;
}
