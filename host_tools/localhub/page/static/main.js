// Puts the page together.

import { Connections } from "./connections.js";
import { byId, count, setText } from "./dom.js";
import { Faults } from "./faults.js";
import { Feed } from "./feed.js";
import { Messages } from "./messages.js";
import { Publish } from "./publish.js";
import { Rate } from "./rate.js";
import { installShortcuts } from "./shortcuts.js";
import { showSteps } from "./steps.js";
import { installThemeSwitch } from "./switch.js";

const rate = new Rate();
const messages = new Messages();
const publish = new Publish();
const faults = new Faults();
const connections = new Connections((view) => feed.look(view), (one) => publish.aim(one));
let start = null;
let firstHub = "";
let seen = false;

function onNews(news) {
  if (news.start !== undefined) {
    start = news.start;
    rate.restart();
    faults.start(start.faults);
    showSteps(start, firstHub);
  }
  if (news.counts !== undefined) {
    rate.add(news.counts);
  }
  if (news.state !== undefined) {
    onState(news.state);
  }
  if (news.rows !== undefined || news.skipped !== undefined) {
    messages.add(news.rows ?? [], news.skipped ?? 0);
  }
}

function onState(state) {
  const total = state.hubs.reduce((sum, hub) => sum + hub.connections, 0);
  setText(byId("figure-connections"), count(total));
  setText(byId("figure-hubs"), count(state.hubs.length));
  if (!seen) {
    // Never later on: what somebody reads must not jump.
    suit(total > 0);
    seen = true;
  }
  connections.update(state);
  publish.update(state);
  faults.update(state);
  messages.manyHubs = state.hubs.length > 1;
  if (start !== null && firstHub !== (state.hubs[0]?.name ?? "")) {
    firstHub = state.hubs[0].name;
    showSteps(start, firstHub);
  }
}

/** A newcomer sees first how to connect; for everybody else that is folded away. */
function suit(connected) {
  byId("connect-details").open = !connected;
  if (!connected) {
    byId("publish").before(byId("connect"));
  }
}

function onFeed(state, text) {
  const status = byId("status");
  status.dataset.state = state;
  setText(status, text);
}

installThemeSwitch(byId("theme"));
installShortcuts({
  "?": ["This help", () => byId("help-open").click()],
  c: ["Connections: filter", () => byId("connections-filter").focus()],
  m: ["Messages: filter", () => byId("messages-filter").focus()],
  p: ["Publish", () => publish.focus()],
  f: ["Faults", () => faults.focus()],
  k: ["Messages: pause or resume", () => messages.togglePause()],
  x: ["Messages: clear", () => messages.clear()],
  n: ["Messages: show the newest", () => messages.catchUp()],
  t: ["Theme: auto, light, dark", () => byId("theme").click()],
});
const feed = new Feed(onNews, onFeed);
