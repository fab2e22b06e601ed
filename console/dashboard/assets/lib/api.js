/* Asks the server. What it answers is data; errors say what happened and what to do. */

export class ApiError extends Error {
  constructor(status, message, hint = "") {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

let session = { csrf: "", actions: false };

/** The session: what a change needs, and whether changes are allowed. */
export async function openSession() {
  session = await get("/session");
  return session;
}

/** Whether the server lets the page change anything. */
export function mayAct() {
  return session.actions;
}

export async function get(path, query = {}, signal = undefined) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const tail = given.length ? `?${new URLSearchParams(given)}` : "";
  return ask(`/api${path}${tail}`, { signal });
}

export async function post(path, body = {}) {
  return ask(`/api${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": session.csrf },
    body: JSON.stringify(body),
  });
}

async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The dashboard does not answer.", "It may have ended: start tamias dashboard again.");
  }
  let content = null;
  try {
    content = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  if (answer.ok) return content;
  const told = content?.error ?? {};
  throw new ApiError(answer.status, told.message ?? `The dashboard answered ${answer.status}.`, told.hint ?? "");
}
