/* Dialogs: confirm, show a text. Escape closes them; focus goes back to where it was. */

import { fill, h, icon } from "../lib/dom.js";

function open(title, body, buttons, kind = "") {
  const before = document.activeElement;
  const dialog = h("dialog", { class: `dialog ${kind}`, "aria-label": title },
    h("header", {}, h("h2", {}, title),
      h("button", { type: "button", class: "plain", "aria-label": "Close", on: { click: () => dialog.close() } }, icon("close"))),
    h("div", { class: "dialog-body" }, body),
    buttons.length > 0 && h("footer", {}, buttons));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before?.isConnected) before.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Asks whether to do something; true if so. */
export function confirm(title, text, label) {
  return new Promise((resolve) => {
    let sure = false;
    const yes = h("button", { type: "button", class: "primary", on: { click: () => { sure = true; dialog.close(); } } }, label);
    const no = h("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel");
    const dialog = open(title, h("p", {}, text), [no, yes], "small");
    dialog.addEventListener("close", () => resolve(sure));
    no.focus();
  });
}

/** Shows a text that `ask` finds, as it stands. */
export async function showText(title, ask) {
  const body = h("div", {}, h("p", { class: "loading" }, "Loading\u2026"));
  const dialog = open(title, body, [], "large");
  try {
    const text = await ask();
    fill(body, h("pre", { tabindex: "0" }, text));
  } catch (error) {
    fill(body, h("p", {}, error.message), error.hint && h("p", {}, error.hint));
  }
  return dialog;
}

export function showBody(title, body, kind = "") {
  return open(title, body, [], kind);
}

/** Says for some seconds what has happened; a screen reader reads it. */
export function report(text, kind = "") {
  const place = document.querySelector("#reports");
  const line = h("div", { class: `report ${kind}` }, text);
  place.append(line);
  setTimeout(() => line.remove(), kind === "bad" ? 12000 : 6000);
}
