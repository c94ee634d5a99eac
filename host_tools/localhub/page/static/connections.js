// The list of connections, and the dialog about one of them.

import { age, byId, bytes, command, count, make, plural, reconcile, setText, showResult }
  from "./dom.js";

const SHOWN_NAMES = 3;

/** A role without the prefix that all of them have. */
const shortRole = (role) => role.replace(/^webpubsub\./, "");

const shortProtocol = (name) => name?.replace(/\.webpubsub\.azure\.v1$/, "") ?? "no subprotocol";

/** Who a connection is, for people. */
export const who = (connection) => connection.user ?? "anonymous";

export class Connections {
  /**
   * @param {Function} onLook called with {hub, text} when others are to be shown
   * @param {Function} onSend called with a connection to send something to
   */
  constructor(onLook, onSend) {
    this.onSend = onSend;
    this.list = [];
    this.chosen = null;
    this.rows = byId("connections-rows");
    this.hubFilter = byId("hub-filter");
    this.textFilter = byId("connections-filter");
    const look = () => onLook({ hub: this.hubFilter.value, text: this.textFilter.value });
    this.hubFilter.addEventListener("change", look);
    this.textFilter.addEventListener("input", look);
    this.prepareDialog();
    // Ages grow although nothing happens.
    setInterval(() => this.render(), 1000);
  }

  /** Take what the service says: {hubs, connections, matching}. */
  update(state) {
    this.list = state.connections;
    this.matching = state.matching;
    this.total = state.hubs.reduce((sum, hub) => sum + hub.connections, 0);
    this.updateHubs(state.hubs);
    this.render();
  }

  updateHubs(hubs) {
    const wanted = ["", ...hubs.map((hub) => hub.name)];
    const present = [...this.hubFilter.options].map((option) => option.value);
    if (wanted.join("\n") !== present.join("\n")) {
      const chosen = this.hubFilter.value;
      const options = wanted.map((name) => new Option(name || "All hubs", name));
      this.hubFilter.replaceChildren(...options);
      this.hubFilter.value = wanted.includes(chosen) ? chosen : "";
    }
  }

  render() {
    if (this.total === undefined) {
      return;
    }
    const filtered = this.hubFilter.value !== "" || this.textFilter.value.trim() !== "";
    reconcile(this.rows, this.list, (one) => one.id, (one) => this.makeRow(one),
      (row, one) => this.updateRow(row, one));
    byId("connections-scroll").hidden = this.list.length === 0;
    this.renderEmpty(filtered);
    let text = "";
    if (this.list.length < this.matching) {
      text = `newest ${count(this.list.length)} of ${count(this.matching)}`;
    } else if (filtered) {
      text = `${count(this.matching)} of ${count(this.total)}`;
    }
    setText(byId("connections-count"), text);
    this.renderDialog();
  }

  renderEmpty(filtered) {
    const empty = byId("connections-empty");
    empty.hidden = this.list.length > 0;
    const kind = filtered && this.total > 0 ? "filtered" : "none";
    if (empty.dataset.kind === kind) {
      return;
    }
    empty.dataset.kind = kind;
    if (kind === "filtered") {
      empty.replaceChildren("No connection matches the filter.");
      return;
    }
    const link = make("a", { href: "#connect" }, "Connect a device");
    link.addEventListener("click", () => (byId("connect-details").open = true));
    empty.replaceChildren(
      make("p", {}, make("strong", {}, "Nobody is connected yet.")),
      make("p", {}, link, " says how, in three steps. It appears here as soon as it is in."),
    );
  }

  makeRow(connection) {
    const open = make("button", { type: "button", className: "link", textContent: who(connection) });
    open.setAttribute("aria-label", `Details of ${who(connection)}, ${connection.id}`);
    open.addEventListener("click", () => this.open(connection.id));
    const leave = make("button", { type: "button", className: "quiet", textContent: "Disconnect" });
    leave.setAttribute("aria-label", `Disconnect ${who(connection)}, ${connection.id}`);
    leave.addEventListener("click", () => this.open(connection.id, true));
    const cell = (properties, ...children) => make("td", { role: "cell", ...properties }, ...children);
    return make("tr", { role: "row" },
      cell({}, open, make("span", { className: "under mono", textContent: connection.id })),
      cell({ "data-label": "Hub, protocol", "data-wide": "" }, connection.hub,
        make("span", { className: "under", textContent: shortProtocol(connection.protocol) })),
      cell({ "data-label": "Groups", "data-wide": "" }, make("ul", { className: "names" })),
      cell({ "data-label": "Roles", "data-wide": "" }, make("ul", { className: "names" })),
      cell({ className: "number", "data-label": "Age" }),
      cell({ className: "number", "data-label": "In" }),
      cell({ className: "number", "data-label": "Out" }),
      cell({}, leave));
  }

  updateRow(row, connection) {
    const [, , groups, roles, old, received, sent] = row.cells;
    fillNames(groups, connection.groups, connection.groups_count);
    fillNames(roles, connection.roles.map(shortRole), connection.roles_count);
    setText(old, connection.live ? age(Date.now() - connection.since) : "away");
    old.classList.toggle("away", !connection.live);
    setText(received, connection.received === null ? "–" : bytes(connection.received));
    setText(sent, connection.sent === null ? "–" : bytes(connection.sent));
  }

  // -- one of them ------------------------------------------------------------------------

  prepareDialog() {
    this.dialog = byId("details");
    byId("details-close").addEventListener("click", () => this.dialog.close());
    byId("details-send").addEventListener("click", () => {
      this.dialog.close();
      this.onSend(this.chosen);
    });
    byId("details-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.disconnect();
    });
  }

  open(id, leaving = false) {
    this.chosen = this.list.find((one) => one.id === id) ?? null;
    if (this.chosen === null) {
      return;
    }
    byId("details-reason").value = "";
    showResult(byId("details-result"), "", true);
    this.renderDialog(true);
    this.dialog.showModal();
    byId(leaving ? "details-reason" : "details-close").focus();
  }

  renderDialog(opening = false) {
    if (this.chosen === null || !(opening || this.dialog.open)) {
      return;
    }
    const now = this.list.find((one) => one.id === this.chosen.id);
    const connection = (this.chosen = now ?? this.chosen);
    const facts = [
      ["User", who(connection)],
      ["Connection id", connection.id],
      ["Hub", connection.hub],
      ["Subprotocol", connection.protocol ?? "none"],
      ["State", now === undefined ? "not in the list any more" : connection.live ? "live" : "away: its session waits"],
      ["Connected", `${new Date(connection.since).toLocaleString()}, ${age(Date.now() - connection.since)} ago`],
      ["Received", connection.received === null ? "–" : `${count(connection.received)} bytes`],
      ["Sent", connection.sent === null ? "–" : `${count(connection.sent)} bytes`],
      ["Groups", allNames(connection.groups, connection.groups_count)],
      ["Roles", allNames(connection.roles, connection.roles_count)],
    ];
    reconcile(byId("details-facts"), facts.flatMap(([name, text]) => [
      { key: `${name}?`, tag: "dt", text: name },
      { key: name, tag: "dd", text },
    ]), (one) => one.key, (one) => make(one.tag), (element, one) => setText(element, one.text));
    for (const id of ["details-send", "details-reason"]) {
      byId(id).disabled = now === undefined;
    }
    this.dialog.querySelector(".danger").disabled = now === undefined;
  }

  async disconnect() {
    const { hub, id } = this.chosen;
    const result = byId("details-result");
    try {
      const reason = byId("details-reason").value;
      const answer = await command("POST", "/page/disconnect", { hub, connection_id: id, reason });
      showResult(result, answer.message, true);
      byId("details-close").focus();
    } catch (error) {
      showResult(result, error.message, false);
    }
  }
}

function fillNames(cell, names, total) {
  const shown = names.slice(0, SHOWN_NAMES).map((name) => ({ name, more: false }));
  if (total > shown.length) {
    shown.push({ name: `+${count(total - shown.length)}`, more: true });
  }
  cell.toggleAttribute("data-empty", total === 0);
  reconcile(cell.firstElementChild, shown, (one) => `${one.more}${one.name}`,
    (one) => make("li", { className: one.more ? "more" : "" }, one.name), () => {});
}

function allNames(names, total) {
  if (total === 0) {
    return "none";
  }
  const more = total - names.length;
  return names.join(", ") + (more > 0 ? ` and ${plural(more, "other")}` : "");
}
