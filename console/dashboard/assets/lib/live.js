/* The status of one job, as it comes each second, and its history of an hour.
 *
 * A page that nobody sees listens to nothing: browsers open six connections to a server, and each
 * tab that listens has one of them.
 */

import { ApiError, get } from "./api.js";

const EVERY = 2; // seconds between two points of the history
const MOST = 1800;
const RETRY = [1, 2, 4, 8, 10];

/** When a status was made: what it says was so then. */
export function seenAt(status) {
  return status.running && status.started && status.elapsed !== undefined ? Math.min(status.at, status.started + status.elapsed) : status.at;
}

export class Live {
  constructor(job) {
    this.job = job;
    this.status = null;
    this.history = { at: [] };
    this.error = null;
    this.rates = new Map(); // CPU by worker: {pid, at, used, cpu}
    this.listeners = new Set();
    this.source = null;
    this.failures = 0;
    this.timer = 0;
    this.closed = false;
    this.onVisible = () => (document.hidden ? this.pause() : this.resume());
    document.addEventListener("visibilitychange", this.onVisible);
    this.resume();
  }

  /** Calls `listener` now, if there is a status, and each time it changes. Returns what ends that. */
  listen(listener) {
    this.listeners.add(listener);
    if (this.status || this.error) listener(this);
    return () => this.listeners.delete(listener);
  }

  resume() {
    clearTimeout(this.timer);
    if (this.closed || this.source) return;
    this.fetchHistory();
    const source = new EventSource(`/api/${this.job}/events`);
    this.source = source;
    source.addEventListener("status", (event) => this.take(JSON.parse(event.data)));
    source.addEventListener("gone", (event) => this.fail(new ApiError(503, JSON.parse(event.data).error)));
    source.onerror = () => this.reconnect();
  }

  async fetchHistory() {
    try {
      const history = await get(`/${this.job}/history`);
      if (history.at) this.history = history;
    } catch {
      // The event stream reports it.
    }
  }

  async reconnect() {
    this.pause();
    let error = new ApiError(0, "The dashboard does not answer.", "It may have ended: start tamias dashboard again.");
    try {
      await get(`/${this.job}/status`); // an event stream does not say why it fails
      error = this.failures ? new ApiError(503, "The live view was interrupted.") : null;
    } catch (found) {
      if (found instanceof ApiError) error = found;
    }
    if (this.closed) return;
    if (error) this.fail(error);
    const wait = RETRY[Math.min(this.failures, RETRY.length - 1)];
    this.failures += 1;
    this.timer = setTimeout(() => this.resume(), wait * 1000);
  }

  pause() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  close() {
    this.closed = true;
    this.pause();
    document.removeEventListener("visibilitychange", this.onVisible);
    this.listeners.clear();
  }

  fail(error) {
    this.error = error;
    this.emit();
  }

  take(status) {
    this.failures = 0;
    this.error = null;
    this.status = status;
    this.measure(status);
    this.emit();
  }

  emit() {
    for (const listener of [...this.listeners]) listener(this);
  }

  /** CPU is a difference of two statuses; what the history lacks is added. */
  measure(status) {
    for (const worker of status.workers) {
      const used = (worker.usage.cpu_user ?? 0) + (worker.usage.cpu_system ?? 0);
      const last = this.rates.get(worker.slot);
      if (last && last.pid === worker.pid && used === last.used && status.at - last.at < 3) continue;
      const same = last && last.pid === worker.pid && status.at > last.at;
      const cpu = same ? Math.max(0, (used - last.used) / (status.at - last.at)) : null;
      this.rates.set(worker.slot, { pid: worker.pid, at: status.at, used, cpu });
    }
    const { at } = this.history;
    if (!status.running || (at.length && status.at - at[at.length - 1] < EVERY * 0.9)) return;
    const sum = (of) => {
      const known = status.workers.map(of).filter((value) => value !== null && value !== undefined);
      return known.length ? known.reduce((one, other) => one + other, 0) : null;
    };
    const point = {
      at: status.at,
      rate: status.rate,
      events: status.events,
      in_flight: sum((worker) => worker.in_flight),
      waiting: sum((worker) => worker.queued),
      suspended: status.waiting_runs,
      rss: sum((worker) => worker.usage.rss),
      cpu: sum((worker) => this.cpu(worker.slot)),
      lag: Math.max(0, ...status.workers.map((worker) => worker.lag)),
      workers: sum((worker) => (worker.pid === null ? 0 : 1)),
    };
    for (const [name, value] of Object.entries(point)) {
      const column = (this.history[name] ??= []);
      while (column.length < at.length - (name === "at" ? 0 : 1)) column.push(null);
      column.push(value);
      if (column.length > MOST) column.shift();
    }
  }

  /** The CPU time that a worker uses, in cores; null if it is not known yet. */
  cpu(slot) {
    return this.rates.get(slot)?.cpu ?? null;
  }
}
