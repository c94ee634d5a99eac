// The list of messages: newest first, bounded, drawn at most once per frame. The first row always
// shows the newest message, so a flood changes texts and moves nothing.

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
    this.skipped = 0;
    this.total = 0;
    this.paused = false;
    this.fresh = 0; // how many came since it was drawn
    this.held = 0; // how many came while the list stood still
    this.due = false;
    this.lastDrawn = 0;
    this.manyHubs = false; // with one hub, its name says nothing
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
    this.fresh += rows.length;
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
    const wait = this.fresh > FLOOD ? Math.max(0, FLOOD_PAUSE - since) : 0;
    setTimeout(() => requestAnimationFrame(() => this.draw()), wait);
  }

  draw() {
    this.due = false;
    this.lastDrawn = performance.now();
    if (!this.stands) {
      this.fill();
    }
    this.fresh = 0;
    this.drawCounts();
  }

  /** Bring every row up to date. */
  fill() {
    const shown = this.kept.filter((row) => this.matches(row)).slice(0, DRAWN);
    while (this.list.children.length > shown.length) {
      this.list.lastElementChild.remove();
    }
    while (this.list.children.length < shown.length) {
      this.list.append(makeItem());
    }
    shown.forEach((message, at) => {
      fillRow(this.list.children[at].firstElementChild, message, this.manyHubs);
    });
    this.held = 0;
    this.roam();
  }

  drawCounts() {
    const left = this.skipped > 0 ? `, ${count(this.skipped)} only counted` : "";
    setText(byId("messages-count"), this.total > 0 ? `${count(this.total)}${left}` : "");
    byId("messages-empty").hidden = this.total > 0;
    this.newer.hidden = this.held === 0;
    setText(this.newer, `${plural(this.held, "newer message")}`);
  }

  /** Draw even if somebody reads: they have asked for it. */
  redraw() {
    for (const row of this.list.querySelectorAll("[aria-expanded=true]")) {
      this.toggleRow(row);
    }
    this.fill();
    this.drawCounts();
  }

  matches(row) {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0) {
      return true;
    }
    row.searched ??= [row.kind, row.hub, row.group, row.user, row.to, row.connection, row.event,
      row.type, row.text].join(" ").toLowerCase();
    return words.every((word) => row.searched.includes(word));
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

function makeItem() {
  const parts = ["time", "way", "kind", "where", "text", "size"];
  const row = make("button", { type: "button", className: "row", tabIndex: -1,
    "aria-expanded": "false" }, ...parts.map((name) => make("span", { className: name })));
  row.children[1].setAttribute("role", "img"); // its label is read in place of an arrow
  return make("li", {}, row);
}

function fillRow(row, message, withHub) {
  if (row.message === message && row.withHub === withHub) {
    return;
  }
  Object.assign(row, { message, withHub });
  const way = message.direction ?? "";
  row.dataset.way = way;
  row.dataset.kind = message.kind;
  const [time, arrow, kind, place, text, size] = row.children;
  setText(time, clock(message.at));
  setText(arrow, ARROWS[way] ?? "·");
  arrow.title = WAYS[way] ?? "in the service";
  arrow.setAttribute("aria-label", arrow.title);
  setText(kind, message.kind);
  setText(place, `${withHub ? `${message.hub}: ` : ""}${where(message)}`);
  setText(text, message.text || message.event || "");
  setText(size, message.size === undefined ? "" : bytes(message.size));
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
    case "left": return `${user} · ${message.group}`;
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
  const details = make("div", { className: "message-text" }, list);
  if (message.text) {
    details.append(make("pre", {}, message.text));
  }
  return details;
}
