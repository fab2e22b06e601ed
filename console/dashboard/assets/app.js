/* The page: which job and which of its pages is shown, and what is around them. */

import { ApiError, get, openSession } from "./lib/api.js";
import { fill, h } from "./lib/dom.js";
import { Live } from "./lib/live.js";
import { go, here, link } from "./lib/router.js";
import { startTheme } from "./lib/theme.js";
import { Frame } from "./parts/frame.js";
import { listenToKeys } from "./parts/keyboard.js";
import { failure } from "./parts/states.js";
import { pages } from "./pages/pages.js";
import { showJobs } from "./pages/jobs.js";

class App {
  constructor() {
    this.jobs = [];
    this.live = null;
    this.leave = () => {};
    this.frame = new Frame(document.querySelector("#frame"), pages);
    listenToKeys(pages, () => here().job || this.jobs[0]?.id);
  }

  async start() {
    try {
      await openSession();
      this.jobs = await get("/jobs");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      fill(this.frame.main, failure(error, () => this.start()));
      return;
    }
    addEventListener("hashchange", () => this.route());
    setInterval(() => this.findJobs(), 15000);
    this.route();
  }

  async findJobs() {
    if (document.hidden) return;
    try {
      this.jobs = await get("/jobs");
    } catch {
      return; // the event stream reports it
    }
    this.frame.showJobs(this.jobs, here());
  }

  route() {
    const place = here();
    const page = pages.find((one) => one.name === place.page);
    if (place.job && !page) {
      go(link(place.job, "overview"));
      return;
    }
    if (!place.job && this.jobs.length === 1) {
      history.replaceState(null, "", link(this.jobs[0].id, "overview"));
      this.route();
      return;
    }
    this.leave();
    this.leave = () => {};
    for (const dialog of document.querySelectorAll("dialog")) dialog.close();
    this.follow(place.job);
    this.frame.showJobs(this.jobs, place);
    const host = h("div", { class: "page" });
    const title = page?.title ?? "Jobs";
    const name = this.jobs.find((job) => job.id === place.job)?.name ?? "";
    document.title = [title, name, "tamias"].filter(Boolean).join(" \u00b7 ");
    fill(this.frame.main, host);
    window.scrollTo(0, 0);
    const context = { ...place, live: this.live, jobs: this.jobs };
    this.leave = (page ? page.show(host, context) : showJobs(host, context)) ?? this.leave;
    const heading = host.querySelector("h1");
    if (heading && this.moved) {
      heading.tabIndex = -1;
      heading.focus({ preventScroll: true });
    }
    this.moved = true;
  }

  /** Listens to a job, and to no other one. */
  follow(job) {
    if (this.live?.job === job) return;
    this.live?.close();
    this.live = job ? new Live(job) : null;
    this.frame.follow(this.live);
  }
}

startTheme();
new App().start();
