// Elements and texts. Nothing here, or anywhere on this page, makes HTML of a string.

/** The element with an id. */
export const byId = (id) => document.getElementById(id);

/**
 * Make an element.
 * @param {string} tag
 * @param {object} [properties] of the element; keys with a dash and `role` are attributes
 * @param {...(Node|string)} children strings become text
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") {
      element.setAttribute(name, value);
    } else {
      element[name] = value;
    }
  }
  element.append(...children);
  return element;
}

/** Set a text only when it differs: an unchanged node is not laid out again. */
export function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** Show what came of a command, good or bad. */
export function showResult(element, text, good) {
  element.dataset.state = good ? "good" : "bad";
  element.textContent = text;
}

const numbers = new Intl.NumberFormat("en-US");

/** 12345 as "12,345". */
export const count = (number) => numbers.format(number);

/** "1 connection", "2 connections". */
export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** A size with a unit: "17 B", "4.2 KiB". */
export function bytes(size) {
  if (size < 1024) {
    return `${size} B`;
  }
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let at = -1;
  do {
    size /= 1024;
    at += 1;
  } while (size >= 1024 && at < units.length - 1);
  return `${size < 100 ? size.toFixed(1) : Math.round(size)} ${units[at]}`;
}

/** Milliseconds as an age: "12 s", "3 min", "2 h 5 min", "4 d 3 h". */
export function age(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) {
    return `${seconds} s`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return `${minutes} min`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A rate with as many digits as say something. */
export const rate = (perSecond) =>
  perSecond >= 10 ? count(Math.round(perSecond)) : String(Number(perSecond.toFixed(1)));

/** The time of day with milliseconds. */
export function clock(milliseconds) {
  const date = new Date(milliseconds);
  const two = (number) => String(number).padStart(2, "0");
  const tail = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${tail}`;
}

/**
 * Make the children of an element those that belong to `items`, keeping what is there.
 * @param {Element} parent
 * @param {Array} items
 * @param {Function} keyOf gives a string that is an item's own
 * @param {Function} create makes an element for an item
 * @param {Function} update brings an element up to date
 */
export function reconcile(parent, items, keyOf, create, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let next = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let element = old.get(key);
    if (element === undefined) {
      element = create(item);
      element.dataset.key = key;
    }
    old.delete(key);
    update(element, item);
    if (element === next) {
      next = next.nextElementSibling;
    } else {
      parent.insertBefore(element, next);
    }
  }
  for (const element of old.values()) {
    element.remove();
  }
}

/** Send a command of the page. Throws an Error with one line of text. */
export async function command(method, path, value) {
  const options = { method, headers: {} };
  if (value !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(value);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The service does not answer: see whether it still runs.");
  }
  const text = await response.text();
  let answer = {};
  try {
    answer = text ? JSON.parse(text) : {};
  } catch {
    // Said below, by its status.
  }
  if (!response.ok) {
    const said = answer.error ?? answer.message;
    throw new Error(said ?? `The service answered ${response.status}: see its log.`);
  }
  return answer;
}

/**
 * A button that copies a text, and the text itself.
 * @param {string} text
 * @param {Array<string>} [parts] the text in parts that are better not torn apart
 * @returns {Array<Element>}
 */
export function copyable(text, parts = [text]) {
  const button = make("button", { type: "button", textContent: "Copy" });
  const words = parts.flatMap((part) => [make("span", {}, part.trimEnd()), part.endsWith(" ") ? " " : ""]);
  const code = make("code", {}, ...words);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // Without a secure context there is no clipboard: mark it, so that Ctrl-C does it.
      getSelection().selectAllChildren(code);
      button.textContent = "Press Ctrl-C";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return [button, code];
}
