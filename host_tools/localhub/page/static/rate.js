// Messages per second: numbers, and a plot of the last two minutes.

import { byId, rate, setText } from "./dom.js";

const SECONDS = 120;
const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { top: 26, right: 8, bottom: 20, left: 44 };

export class Rate {
  constructor() {
    this.points = []; // {at, in, out}, at in seconds of the service's clock
    this.last = null;
    this.svg = byId("plot");
    new ResizeObserver(() => this.draw()).observe(this.svg.parentElement);
  }

  /** Take the counters of the service: {clock, received, delivered}. */
  add(counts) {
    const last = this.last;
    this.last = counts;
    if (last === null || counts.clock <= last.clock || counts.received < last.received) {
      return;
    }
    const passed = counts.clock - last.clock;
    if (passed < 0.5) {
      this.last = last; // asked again at once: wait for a full second
      return;
    }
    this.points.push({
      at: counts.clock,
      in: (counts.received - last.received) / passed,
      out: (counts.delivered - last.delivered) / passed,
    });
    this.points = this.points.filter((point) => point.at > counts.clock - SECONDS - 2);
    this.draw();
  }

  /** The service has been started again: its counters have, too. */
  restart() {
    this.last = null;
    this.points = [];
  }

  draw() {
    const now = this.points.at(-1) ?? { at: 0, in: 0, out: 0 };
    setText(byId("figure-in"), rate(now.in));
    setText(byId("figure-out"), rate(now.out));
    const { width, height } = this.svg.getBoundingClientRect();
    if (width < 100) {
      return;
    }
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const right = width - MARGIN.right;
    const bottom = height - MARGIN.bottom;
    const top = niceCeiling(Math.max(1, ...this.points.flatMap((one) => [one.in, one.out])));
    const x = (at) => right - ((now.at - at) / SECONDS) * (right - MARGIN.left);
    const y = (value) => bottom - (value / top) * (bottom - MARGIN.top);
    const parts = [];
    for (const value of [0, top / 2, top]) {
      parts.push(shape("line", { class: "grid", x1: MARGIN.left, x2: right, y1: y(value), y2: y(value) }));
      parts.push(label(MARGIN.left - 8, y(value) + 4, rate(value), "end"));
    }
    const ticks = width < 420 ? [120, 60, 0] : [120, 90, 60, 30, 0];
    for (const ago of ticks) {
      const anchor = ago === 0 ? "end" : ago === 120 ? "start" : "middle";
      parts.push(label(x(now.at - ago), height - 4, ago === 0 ? "now" : `${ago} s ago`, anchor));
    }
    parts.push(label(MARGIN.left, 11, "Messages per second", "start"));
    for (const name of ["out", "in"]) {
      const shown = this.points.filter((point) => point.at >= now.at - SECONDS);
      const path = shown.map((one) => `${x(one.at).toFixed(1)} ${y(one[name]).toFixed(1)}`);
      if (path.length > 1) {
        parts.push(shape("path", { class: `line ${name}`, d: `M${path.join("L")}` }));
      }
    }
    this.svg.replaceChildren(...parts);
    this.svg.setAttribute("aria-label", "Message rate in the last two minutes, up to "
      + `${rate(top)} per second. Now ${rate(now.in)} from clients, ${rate(now.out)} to clients.`);
  }
}

/** The next of 1, 2, 3, 4, 6, 8, 10, 20, ... so that its half is a plain number, too. */
function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= value - 1e-9);
}

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, value);
  }
  return element;
}

function label(x, y, text, anchor) {
  const element = shape("text", { x, y, "text-anchor": anchor });
  element.textContent = text;
  return element;
}
