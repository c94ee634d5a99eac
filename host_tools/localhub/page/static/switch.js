// The theme switch: as the system has it, light, dark.

const NEXT = { auto: "light", light: "dark", dark: "auto" };

export function installThemeSwitch(button) {
  const root = document.documentElement;
  const show = () => {
    button.lastElementChild.textContent = root.dataset.theme ?? "auto";
  };
  button.addEventListener("click", () => {
    const theme = NEXT[root.dataset.theme ?? "auto"];
    if (theme === "auto") {
      delete root.dataset.theme;
    } else {
      root.dataset.theme = theme;
    }
    remember("theme", theme);
    show();
  });
  show();
}

/** Keep a setting of this browser. */
export function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Storage is switched off: it is kept until the page closes.
  }
}

/** A setting of this browser, or null. */
export function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}
