/* All jobs of this dashboard. */

import { h } from "../lib/dom.js";
import { ago } from "../lib/format.js";
import { link } from "../lib/router.js";
import { pageHead } from "../parts/head.js";
import { empty } from "../parts/states.js";

export function showJobs(host, { jobs }) {
  host.append(pageHead("Jobs"));
  if (!jobs.length) {
    host.append(empty("There is no job here yet.", "The dashboard looks for state directories (NAME.tamias) below the folder it was started in. A job that is started there appears by itself."));
    return;
  }
  host.append(h("ul", { class: "job-list" }, jobs.map((job) => h("li", {},
    h("a", { class: "job", href: link(job.id, "overview") },
      h("span", { class: `dot ${job.error ? "unknown" : job.running ? "good" : "rest"}` }),
      h("strong", {}, job.name.replace(/\.tamias$/, "")),
      h("span", { class: "quiet" }, job.error ? "cannot be read" : job.running ? `running, started ${ago(job.started)}` : `at rest${job.phase ? `, ${job.phase}` : ""}`),
      h("span", { class: "quiet path" }, job.error ?? job.agent ?? ""),
      h("span", { class: "quiet path" }, job.path)),
    flinkTask(job.flink)))));
}

/** Where the job is a task of Flink: which one, with a link to its page there. */
function flinkTask(task) {
  if (!task || !/^https?:\/\//.test(task.url)) return [];
  return h("a", { class: "task", href: task.url, rel: "noreferrer", target: "_blank" }, `task ${task.subtask + 1} of ${task.subtasks} in Flink: ${task.task}`);
}
