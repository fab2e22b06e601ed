/* What is around each page: the job, the list of pages, what is wrong with the connection. */

import { mayAct } from "../lib/api.js";
import { fill, h, icon, setText } from "../lib/dom.js";
import { brief, span } from "../lib/format.js";
import { go, link } from "../lib/router.js";
import { nextTheme, themeLabel } from "../lib/theme.js";
import { READ_ONLY } from "./actions.js";
import { showKeys } from "./keyboard.js";

export class Frame {
  constructor(host, pages) {
    this.pages = pages;
    this.main = h("main", { id: "main", tabindex: "-1" });
    this.banner = h("div", { id: "banner", role: "alert" });
    this.list = h("ul", { class: "pages" });
    this.jobs = h("div", { class: "jobs" });
    this.badges = new Map();
    this.state = h("span", { class: "dot", role: "img" });
    this.summary = h("span", { class: "summary" });
    this.mode = h("p", { class: "mode" });
    this.stop = () => {};
    const theme = h("button", { type: "button", class: "plain", on: { click: () => label(nextTheme()) } }, icon("theme"));
    const label = (text) => {
      theme.title = text;
      theme.setAttribute("aria-label", text);
    };
    label(themeLabel());
    theme.id = "theme";
    const help = h("button", { type: "button", class: "plain", title: "Keyboard (?)", "aria-label": "Keyboard shortcuts", on: { click: () => showKeys(pages) } }, "?");
    this.menu = h("button", { type: "button", class: "plain menu", "aria-label": "Pages", "aria-expanded": "false", "aria-controls": "side", on: { click: () => this.open(!this.isOpen) } }, icon("menu"));
    this.side = h("nav", { id: "side", "aria-label": "Pages" }, this.jobs, this.list, h("div", { class: "side-foot" }, this.mode, h("div", { class: "tools" }, theme, help)));
    this.where = h("strong", { class: "where" }, "tamias");
    fill(host,
      h("header", { class: "top" }, this.menu, h("a", { class: "brand", href: "#/" }, "tamias"), this.where, this.state, this.summary),
      h("div", { class: "columns" }, this.side, h("div", { class: "content" }, this.banner, this.main)),
      h("div", { id: "reports", role: "status", "aria-live": "polite" }));
    this.list.addEventListener("click", () => this.open(false));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.isOpen) {
        this.open(false);
        this.menu.focus();
      }
    });
    document.querySelector(".skip").addEventListener("click", (event) => {
      event.preventDefault(); // the address says which page is shown
      this.main.focus();
    });
  }

  get isOpen() {
    return this.side.classList.contains("open");
  }

  open(wanted) {
    this.side.classList.toggle("open", wanted);
    this.menu.setAttribute("aria-expanded", String(wanted));
    if (wanted) this.list.querySelector("a")?.focus();
  }

  /** Shows where one is: the jobs to choose from, and the pages of this one. */
  showJobs(jobs, place) {
    const text = JSON.stringify([jobs.map((job) => [job.id, job.name, job.running]), place.job, place.page]);
    if (text === this.drawn) return;
    this.drawn = text;
    setText(this.mode, mayAct() ? "" : "Read-only");
    this.mode.title = mayAct() ? "" : READ_ONLY;
    const chosen = jobs.find((job) => job.id === place.job);
    setText(this.where, chosen?.name.replace(/\.tamias$/, "") ?? "All jobs");
    if (jobs.length > 1) {
      const select = h("select", { "aria-label": "Job", on: { change: () => go(select.value === "" ? "#/" : link(select.value, place.page || "overview")) } },
        h("option", { value: "" }, "All jobs"),
        jobs.map((job) => h("option", { value: job.id }, `${job.name.replace(/\.tamias$/, "")}${job.running ? "" : " (at rest)"}`)));
      select.value = place.job;
      fill(this.jobs, select);
    } else fill(this.jobs);
    this.badges.clear();
    fill(this.list, !place.job ? null : this.pages.map((page) => {
      const badge = h("span", { class: "badge" });
      this.badges.set(page.name, badge);
      return h("li", {}, h("a", { href: link(place.job, page.name), "aria-current": page.name === place.page ? "page" : undefined }, h("span", {}, page.title), badge));
    }));
    if (this.live?.status) this.show(this.live);
  }

  /** Shows how the job stands, all the time. */
  follow(live) {
    this.stop();
    this.live = live;
    fill(this.banner);
    setText(this.summary, "");
    this.state.className = "dot";
    this.stop = live ? live.listen(() => this.show(live)) : () => {};
  }

  show(live) {
    const { status, error } = live;
    const wrong = error ? [error.message, error.hint].filter(Boolean).join(" ") : "";
    if (wrong !== this.wrong) {
      this.wrong = wrong;
      fill(this.banner, error && h("div", { class: "notice bad" },
        h("div", {}, h("strong", {}, error.message), error.hint && h("p", {}, error.hint),
          error.status !== 401 && h("p", {}, "The page tries again by itself.")),
        h("button", { type: "button", on: { click: () => { live.pause(); live.resume(); } } }, "Try now")));
      this.main.classList.toggle("stale", Boolean(error));
    }
    if (!status) return;
    const kind = error ? "unknown" : status.degraded ? "warn" : status.running ? "good" : "rest";
    this.state.className = `dot ${kind}`;
    const phase = error ? "not connected" : status.degraded ? "degraded" : status.running ? (status.phase ?? "running") : "at rest";
    this.state.setAttribute("aria-label", phase);
    setText(this.summary, status.running && !error && !status.degraded ? `${phase} for ${span(status.at - status.started)}` : phase);
    const numbers = { letters: status.dead_letters_kept ?? status.dead_letters, questions: status.questions };
    for (const [name, value] of Object.entries(numbers)) {
      const badge = this.badges.get(name);
      if (badge) setText(badge, value ? brief(value) : "");
    }
  }
}
