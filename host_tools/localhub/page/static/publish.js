// The form that publishes as the application server.

import { byId, command, make, showResult } from "./dom.js";

const HINTS = {
  text: "Sent as it stands, in UTF-8.",
  json: 'Any JSON value, such as {"limit": 16}.',
  binary: "Bytes as hex digits in pairs, such as 01 ff 7a.",
};
const TARGETS = { group: "Group", user: "User id", connection: "Connection id" };

export class Publish {
  constructor() {
    this.form = byId("publish-form");
    this.hub = byId("publish-hub");
    this.to = byId("publish-to");
    this.target = byId("publish-target");
    this.data = byId("publish-data");
    this.result = byId("publish-result");
    this.hubs = [];
    this.connections = [];
    this.to.addEventListener("change", () => this.adapt());
    this.hub.addEventListener("input", () => this.suggest());
    this.form.addEventListener("change", () => this.adapt());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.data.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.form.requestSubmit();
      }
    });
    this.adapt();
  }

  /** Take what the service says: its hubs are suggested. */
  update(state) {
    const changed = JSON.stringify(state.hubs) !== JSON.stringify(this.hubs);
    this.hubs = state.hubs;
    this.connections = state.connections;
    if (this.hub.value === "" && document.activeElement !== this.hub && this.hubs.length > 0) {
      this.hub.value = this.hubs[0].name;
    }
    if (changed) {
      this.suggest();
    }
  }

  get dataType() {
    return new FormData(this.form).get("data_type");
  }

  adapt() {
    byId("publish-target-label").hidden = this.to.value === "all";
    byId("publish-target-name").textContent = TARGETS[this.to.value] ?? "";
    byId("publish-hint").textContent = HINTS[this.dataType];
    this.suggest();
  }

  suggest() {
    const hub = this.hubs.find((one) => one.name === this.hub.value.toLowerCase());
    const names = {
      group: hub?.groups ?? [],
      user: hub?.users ?? [],
      connection: this.connections.filter((one) => one.hub === hub?.name).map((one) => one.id),
    }[this.to.value] ?? [];
    fill(byId("publish-hubs"), this.hubs.map((one) => one.name));
    fill(byId("publish-targets"), names);
  }

  /** Make ready to send to one connection. */
  aim(connection) {
    this.hub.value = connection.hub;
    this.to.value = "connection";
    this.target.value = connection.id;
    this.adapt();
    this.focus();
  }

  focus() {
    byId("publish").scrollIntoView({ block: "nearest" });
    this.data.focus();
  }

  async send() {
    const value = {
      hub: this.hub.value.trim(),
      to: this.to.value,
      target: this.to.value === "all" ? "" : this.target.value,
      data_type: this.dataType,
      data: this.data.value,
    };
    try {
      const answer = await command("POST", "/page/publish", value);
      showResult(this.result, answer.message, true);
    } catch (error) {
      showResult(this.result, error.message, false);
    }
  }
}

function fill(list, names) {
  list.replaceChildren(...names.map((name) => make("option", { value: name })));
}
