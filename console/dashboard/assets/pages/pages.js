/* All pages of a job, in the order of the list; `letter` is its shortcut, after `g`. */

import { showActions } from "./actions.js";
import { showGenerations } from "./generations.js";
import { showKeyPages } from "./keys.js";
import { showLetterPages } from "./letters.js";
import { showLimits } from "./limits.js";
import { showLogs } from "./logs.js";
import { showOverview } from "./overview.js";
import { showProfile } from "./profile.js";
import { showQuestions } from "./questions.js";
import { showRunPages } from "./runs.js";
import { showWorkerPages } from "./workers.js";

export const pages = [
  { name: "overview", letter: "o", title: "Overview", show: showOverview },
  { name: "workers", letter: "w", title: "Workers", show: showWorkerPages },
  { name: "actions", letter: "a", title: "Actions", show: showActions },
  { name: "keys", letter: "k", title: "Keys", show: showKeyPages },
  { name: "runs", letter: "r", title: "Runs", show: showRunPages },
  { name: "letters", letter: "d", title: "Dead letters", show: showLetterPages },
  { name: "questions", letter: "q", title: "Questions", show: showQuestions },
  { name: "profile", letter: "p", title: "Profile", show: showProfile },
  { name: "logs", letter: "l", title: "Logs", show: showLogs },
  { name: "generations", letter: "n", title: "Generations", show: showGenerations },
  { name: "limits", letter: "m", title: "Limits and cost", show: showLimits },
];
