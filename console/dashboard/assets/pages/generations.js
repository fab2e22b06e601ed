/* Generations of the agent's code, and going over to the code that is on disk now. */

import { get, post } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { count } from "../lib/format.js";
import { link } from "../lib/router.js";
import { actionButton, obstacle, readOnlyNote } from "../parts/actions.js";
import { card, pageHead } from "../parts/head.js";
import { empty, loader } from "../parts/states.js";
import { table } from "../parts/table.js";
import { facts, valueTree } from "../parts/tree.js";

const OVER = ["promoted", "over", "left"];

export function showGenerations(host, { job, live }) {
  const box = h("div", { class: "page" });
  const reload = actionButton("Reload", async () => {
    const done = await post(`/${job}/reload`, {});
    load({ quiet: true });
    if (done.pending) return done.message;
    return done.generation ? `Generation ${done.generation} is in use.` : "The reload is done.";
  }, { sure: ["Reload the agent?", "New workers read the code from disk and take the shards over. If they fail, it is rolled back by itself."], kind: "primary" });
  const rollback = actionButton("Roll back", async () => {
    await post(`/${job}/rollback`, {});
    load({ quiet: true });
    return "The reload is rolled back.";
  }, { sure: ["Roll back the reload?", "The workers of the generation before take their shards back."] });
  const load = loader(box, (signal) => get(`/${job}/generations`, {}, signal), (found) => {
    const list = table([
      { name: "generation", label: "Generation", class: "number", of: (row) => row.generation },
      { name: "current", label: "", of: (row) => (row.current ? h("span", { class: "tag good" }, "current") : h("span", { class: "tag" }, "other")) },
      { name: "workers", label: "Workers", class: "wide", of: (row) => (row.workers.length ? row.workers.map((slot) => [h("a", { href: link(job, "workers", [slot]) }, slot), " "]).flat().reduce((all, node) => (all.append(node), all), h("span")) : "none") },
      { name: "target", label: "Agent", class: "wide", of: (row) => row.target ?? "" },
      { name: "files", label: "Files", class: "number", of: (row) => count(Object.keys(row.files ?? {}).length) },
    ], { id: (row) => row.generation, caption: "Generations" });
    list.show(found.generations);
    const files = found.generations.find((one) => one.current)?.files;
    fill(box, list.root, card("Last reload", found.reload ? facts(Object.entries(found.reload).map(([name, value]) => [name.replace(/_/g, " "), value !== null && typeof value === "object" ? valueTree(value) : value === null ? "" : String(value)])) : empty("There was none in this life.", "tamias reload, and the button above, go over to the code on disk without a stop.")),
      files && Object.keys(files).length > 0 && card("Files of the code in use", facts(Object.entries(files).map(([file, digest]) => [h("code", {}, String(digest).slice(0, 12)), file]))));
  });
  host.append(pageHead("Generations", rollback, reload), readOnlyNote() ?? "", box);
  load();
  let drawn = "";
  const stop = live.listen(({ status }) => {
    if (!status) return;
    const why = obstacle(status);
    const underWay = status.reload && !OVER.includes(status.reload.stage);
    if (!reload.classList.contains("busy")) reload.allow(why);
    if (!rollback.classList.contains("busy")) rollback.allow(why || (underWay ? "" : "No reload is under way."));
    const text = JSON.stringify([status.generation, status.reload, status.running]);
    if (drawn && drawn !== text) load({ quiet: true });
    drawn = text;
  });
  return () => {
    load.stop();
    stop();
  };
}
