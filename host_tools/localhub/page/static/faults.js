// What goes wrong on command. The service checks what is asked for: docs/faults.md has it all.

import { byId, command, make, plural, reconcile, setText, showResult } from "./dom.js";

const number = (name, label, value, step = "1") =>
  ({ name, label, value, read: Number, type: "number", min: "0", step });
const text = (name, label) => ({ name, label, value: "", read: String, type: "text" });
const choice = (name, label, options) => ({ name, label, options, read: String });

const DIRECTION = choice("direction", "Counted", [["sent", "to the client"], ["received", "from it"]]);
const LATE = choice("direction", "Late is", [["both", "both ways"], ["sent", "to the client"],
  ["received", "from it"]]);
const HOW = choice("how", "With", [["rst", "a reset"], ["fin", "an end"]]);
const COUNT = { ...number("count", "Times", ""), min: "1" };
const TIME = { ...number("for_seconds", "For seconds", "", "any"), min: "0" };
const HUB = text("hub", "Only hub");
const USER = text("user_id", "Only user");
const CONNECTION = text("connection_id", "Only connection");
// These stand behind "Only for …": without them a fault strikes everybody, as long as it lasts.
const WHOM = [USER, HUB, CONNECTION];
const LASTING = [...WHOM, TIME, COUNT];
const NARROWING = new Set(LASTING.map((field) => field.name));

// By kind: what it is called, what it needs, and whether it is over at once.
const KINDS = {
  cut: ["Cut connections", [number("after_bytes", "After bytes", "0"), DIRECTION, HOW,
    { ...COUNT, value: "1" }, ...WHOM, TIME]],
  stop_reading: ["Read nothing any more", LASTING],
  stop_writing: ["Write nothing any more", LASTING],
  delay: ["Delay everything", [number("seconds", "Seconds", "1", "any"), LATE, ...LASTING]],
  refuse_upgrades: ["Refuse upgrades", [number("status", "HTTP status", "503"),
    number("retry_after", "Retry-After", ""), HUB, TIME, COUNT]],
  throttle: ["Throttle with 429", [number("limit", "Let through", "1"),
    number("per_seconds", "In seconds", "1", "any"), HUB, TIME, COUNT]],
  drop_acks: ["Lose acks", LASTING],
  delay_acks: ["Delay acks", [number("seconds", "Seconds", "1", "any"), ...LASTING]],
  close: ["Close connections", [number("code", "Code", "1001"), text("reason", "Reason"),
    choice("keep_session", "Session", [["", "ends"], ["yes", "can be recovered"]]), ...WHOM]],
  expire: ["Expire sessions", WHOM],
};
const AT_ONCE = new Set(["close", "expire"]);

export class Faults {
  constructor() {
    this.body = byId("faults-body");
    this.list = null;
  }

  /** @param {boolean} on whether the service lets faults be commanded */
  start(on) {
    if (!on) {
      this.list = null;
      this.body.replaceChildren(make("p", {}, "Off. To cut, delay or refuse connections from here, "
        + "put ", make("code", {}, "faults = true"), " under ", make("code", {}, "[service]"),
      " and start the service again."));
    } else if (this.list === null) {
      this.build();
    }
  }

  build() {
    this.list = make("ul", { className: "fault-list", "aria-label": "What goes wrong now" });
    this.none = make("p", {}, "Nothing goes wrong at the moment.");
    const options = Object.entries(KINDS).map(([kind, [name]]) => new Option(name, kind));
    this.kind = make("select", {}, ...options);
    this.fields = make("div", { className: "pair" });
    this.narrowing = make("div", { className: "pair" });
    this.arm = make("button", { type: "submit", className: "danger" });
    this.clear = make("button", { type: "button" }, "End all");
    this.result = make("p", { className: "result", role: "status" });
    this.form = make("form", { className: "form", noValidate: true },
      make("label", {}, "What", this.kind), this.fields,
      make("details", { className: "narrow" }, make("summary", {}, "For whom, how long, how often"),
        this.narrowing),
      make("div", { className: "buttons" }, this.arm, this.clear), this.result);
    this.kind.addEventListener("change", () => this.adapt());
    this.clear.addEventListener("click", () =>
      this.execute("DELETE", "/faults", undefined, () => "All is well again."));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.begin();
    });
    this.body.replaceChildren(this.none, this.list, this.form);
    this.adapt();
  }

  adapt() {
    const kind = this.kind.value;
    const [, fields] = KINDS[kind];
    this.fields.replaceChildren(
      ...fields.filter((field) => !NARROWING.has(field.name)).map(makeField));
    this.narrowing.replaceChildren(
      ...fields.filter((field) => NARROWING.has(field.name)).map(makeField));
    this.arm.textContent = AT_ONCE.has(kind) ? "Do it once" : "Start";
  }

  /** Take what the service says: `faults` is there when they are on. */
  update(state) {
    if (this.list === null || state.faults === undefined) {
      return;
    }
    this.none.hidden = state.faults.length > 0;
    this.list.hidden = state.faults.length === 0;
    this.clear.disabled = state.faults.length === 0;
    reconcile(this.list, state.faults, (fault) => String(fault.id), (fault) => this.makeItem(fault),
      (item, fault) => setText(item.firstElementChild.lastElementChild,
        `struck ${plural(fault.struck, "time")}`));
  }

  makeItem(fault) {
    const { id, kind, struck, ...values } = fault;
    const said = Object.entries(values).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`);
    const name = KINDS[kind]?.[0] ?? kind;
    const end = make("button", { type: "button", "aria-label": `End: ${name}` }, "End");
    end.addEventListener("click", () =>
      this.execute("DELETE", `/faults/${id}`, undefined, () => `Ended: ${name}.`));
    return make("li", {}, make("span", {}, make("strong", {}, name),
      make("small", {}, said.join(", ")), make("small", {})), end);
  }

  async begin() {
    const kind = this.kind.value;
    const value = { kind };
    for (const field of KINDS[kind][1]) {
      const given = this.form.elements[field.name].value.trim();
      if (given !== "") {
        value[field.name] = field.name === "keep_session" ? true : field.read(given);
      }
    }
    const [name] = KINDS[kind];
    await this.execute("POST", "/faults", value, (answer) =>
      answer.id === undefined ? `${name}: it struck ${plural(answer.struck, "connection")}.`
        : `Started: ${name}.`);
  }

  async execute(method, path, value, say) {
    try {
      showResult(this.result, say(await command(method, path, value)), true);
    } catch (error) {
      showResult(this.result, error.message, false);
    }
  }

  focus() {
    byId("faults").scrollIntoView({ block: "nearest" });
    (this.kind ?? byId("faults")).focus();
  }
}

function makeField({ name, label, options, read, ...properties }) {
  const field = options === undefined
    ? make("input", { name, autocomplete: "off", ...properties })
    : make("select", { name }, ...options.map(([value, shown]) => new Option(shown, value)));
  return make("label", {}, label, field);
}
