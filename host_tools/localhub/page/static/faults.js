// What goes wrong on command. The service does the checking; see docs/faults.md.

import { byId, command, make, plural, reconcile, setText, showResult } from "./dom.js";

const REFRESH = 2000;

export class Faults {
  constructor() {
    this.body = byId("faults-body");
    this.timer = null;
  }

  /** @param {boolean} on whether the service lets faults be commanded */
  start(on) {
    clearInterval(this.timer);
    if (!on) {
      const setting = make("code", {}, "faults = true");
      this.body.replaceChildren(make("p", {}, "Off. To cut, delay or refuse connections from here, "
        + "put ", setting, " under [service] and start the service again."));
      return;
    }
  }

  focus() {
    byId("faults").scrollIntoView({ block: "nearest" });
    (this.body.querySelector("select, input, button") ?? byId("faults")).focus();
  }
}
