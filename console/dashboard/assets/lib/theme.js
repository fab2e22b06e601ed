/* Light, dark, or as the system has it. */

const NAME = "tamias-theme";
const NEXT = { "": "dark", dark: "light", light: "" };
const LABELS = { "": "Theme: as the system", dark: "Theme: dark", light: "Theme: light" };

function chosen() {
  const found = localStorage.getItem(NAME) ?? "";
  return found in NEXT ? found : "";
}

function show(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/** Shows what was chosen. */
export function startTheme() {
  show(chosen());
}

/** Goes on to the next, and returns what it is called. */
export function nextTheme() {
  const theme = NEXT[chosen()];
  localStorage.setItem(NAME, theme);
  show(theme);
  return LABELS[theme];
}

export function themeLabel() {
  return LABELS[chosen()];
}
