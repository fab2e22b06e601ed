/* Addresses within the page: #/JOB/PAGE/REST?QUERY. */

/** The parts of the address. */
export function here() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [job = "", page = "", ...rest] = path.split("/").map(decode);
  return { job, page, rest, query: new URLSearchParams(query) };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** An address within the page. */
export function link(job, page, rest = [], query = {}) {
  const path = [job, page, ...rest].map(encodeURIComponent).join("/");
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return `#/${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
}

/** Goes to an address. */
export function go(address) {
  location.hash = address;
}

/** Changes the address without a new page, so that it can be kept and sent. */
export function remember(address) {
  history.replaceState(null, "", address);
}
