/* Numbers, sizes, durations and times as text. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const tenth = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const NONE = "\u2013";

const missing = (value) => value === null || value === undefined || Number.isNaN(value);

/** A count: 1,234,567. */
export function count(value) {
  return missing(value) ? NONE : whole.format(value);
}

/** A count in little space: 1.2 M. */
export function brief(value) {
  if (missing(value)) return NONE;
  const size = Math.abs(value);
  for (const [least, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= least) return `${tenths.format(value / (least === 1e4 ? 1e3 : least))} ${unit}`;
  }
  return size >= 100 || Number.isInteger(value) ? whole.format(value) : tenths.format(value);
}

/** "1 key", "2 keys". */
export function counted(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function rate(value) {
  return missing(value) ? NONE : `${brief(value)}/s`;
}

export function bytes(value) {
  if (missing(value)) return NONE;
  let size = value;
  for (const unit of ["B", "KiB", "MiB", "GiB", "TiB"]) {
    if (size < 1024 || unit === "TiB") {
      return `${unit === "B" || size >= 100 ? whole.format(size) : tenth.format(size)} ${unit}`;
    }
    size /= 1024;
  }
  return NONE;
}

export function percent(share, digits = 0) {
  return missing(share) ? NONE : `${(100 * share).toFixed(digits)} %`;
}

/** A duration in seconds: 350 µs, 12 ms, 1.24 s, 3 m 05 s, 2 h 03 m, 3 d 4 h. */
export function duration(seconds) {
  if (missing(seconds)) return NONE;
  if (seconds < 0) return `\u2212${duration(-seconds)}`;
  if (seconds === 0) return "0 s";
  if (seconds < 0.0009995) return `${Math.max(1, Math.round(seconds * 1e6))} µs`;
  if (seconds < 1) return `${seconds < 0.01 ? (seconds * 1e3).toFixed(1) : Math.round(seconds * 1e3)} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`;
  return span(seconds);
}

/** A duration whose fractions do not matter, as the age of something. */
export function span(seconds) {
  if (missing(seconds)) return NONE;
  const all = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, "0");
  if (all < 60) return `${all} s`;
  if (all < 3600) return `${Math.floor(all / 60)} m ${two(all % 60)} s`;
  if (all < 86400) return `${Math.floor(all / 3600)} h ${two(Math.floor((all % 3600) / 60))} m`;
  return `${Math.floor(all / 86400)} d ${Math.floor((all % 86400) / 3600)} h`;
}

const timeOfDay = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/** A time in seconds since the epoch: of today 13:05:09, else with its day. */
export function clock(at) {
  if (missing(at) || at === 0) return NONE;
  const when = new Date(at * 1000);
  const time = timeOfDay.format(when);
  return when.toDateString() === new Date().toDateString() ? time : `${day.format(when)}, ${time}`;
}

export function ago(at, now = Date.now() / 1000) {
  if (missing(at) || at === 0) return NONE;
  return at > now + 1 ? `in ${span(at - now)}` : `${span(now - at)} ago`;
}

export function money(value) {
  if (missing(value)) return NONE;
  return value !== 0 && Math.abs(value) < 0.01 ? value.toPrecision(2) : value.toFixed(2);
}

/** A key as other places of the page have it: a text without the quotes of Python. */
export function keyText(key) {
  return key === null || key === undefined ? key : key.replace(/^'([^'\\]*)'$/, "$1").replace(/^"([^"\\]*)"$/, "$1");
}
