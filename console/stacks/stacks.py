"""The stacks of one worker, whatever they were read by, as data and as text.

A thread or a task is a dictionary: `name`, `offset`, `action` and `key` of the run that it works
for, and `frames`, the outermost first: `function`, `file`, `line`, `source`. A thread also has
`idle` (it waits for work), a task `waits_for`.
"""

from __future__ import annotations

import linecache
import re
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..workers.frames import PROFILER, frames_of_action, is_waiting

if TYPE_CHECKING:
    from ..workers.asking import Worker

__all__ = ["WorkerStacks", "threads_of_dump", "threads_of_py_spy"]

_SOURCES: Final = {
    "worker": "",
    "py-spy": "seen from outside, by py-spy: without tasks, actions and keys",
    "signal": "written by the worker's signal handler: without actions and keys",
    "": "no stacks could be read",
}
_THREAD: Final = re.compile(r"(Current thread|Thread) 0x([0-9a-f]+).*\(most recent call first\)")
_FRAME: Final = re.compile(r'  File "(.*)", line (\d+) in (.*)')
_TASKS: Final = "\nTask "
_END: Final = "End of stacks."


@dataclass(slots=True)
class WorkerStacks:
    """What a worker does at one moment.

    Attributes:
        slot, pid: the worker.
        state: of its process, in words.
        source: "worker" if it has answered itself, "py-spy", "signal"; empty if there is nothing.
        threads, tasks: see the module's text.
        notes: why it was not asked, or what else is to be known.
        executing: the runs that it executes, as the pool's status has them.
        kernel: its threads as the kernel knows them, if it has not answered.
        text_of_tasks: the tasks as text, if a signal handler has written them.
    """

    slot: int
    pid: int
    state: str
    source: str
    threads: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    executing: list[dict[str, Any]] = field(default_factory=list)
    kernel: list[dict[str, Any]] = field(default_factory=list)
    text_of_tasks: str = ""

    @classmethod
    def of(cls, worker: Worker, source: str, state: str) -> WorkerStacks:
        """Nothing seen yet of a worker."""
        executing = list(worker.status.get("executing") or ())
        return cls(worker.slot, worker.pid, state, source, executing=executing)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self)

    def text(self) -> str:
        """What people want to see as text, written like a traceback.

        Frames of tamias around an action are left out, and those of threads that wait for work.
        """
        lines = [f"Worker {self.slot}, process {self.pid}: {self.state}"]
        source = _SOURCES.get(self.source, self.source)
        lines += [f"  {note}" for note in [*self.notes, source] if note]
        lines += [
            f"  executes {_run(each)}{_how_long(each)}"
            for each in self.executing
            if self.source != "worker"
        ]
        for thread in self.threads:
            lines += ["", f"Thread {thread['name']}{_run_of(thread)}{_state_of(thread)}"]
            lines += [] if thread["idle"] else _frames(thread)
        for task in self.tasks:
            if task["offset"] is None and _is_own(task["frames"]):
                continue
            lines += ["", f"Task {task['name']}{_run_of(task)}"]
            lines += _frames(task)
            if task["waits_for"]:
                lines.append(f"  waits for {task['waits_for']}")
        if self.text_of_tasks:
            lines += ["", self.text_of_tasks.rstrip()]
        if not self.threads:
            lines += [
                f"  thread {each['native_id']} ({each['name']}): {each['state']}"
                + (f", in {each['kernel']}" if each["kernel"] else "")
                for each in self.kernel
            ]
        return "\n".join(lines) + "\n"


def _run(each: dict[str, Any]) -> str:
    named = f"input {each.get('offset')}"
    if each.get("key"):
        named += f", key {each['key']}"
    return f"{named}, action {each['action']}" if each.get("action") else named


def _how_long(each: dict[str, Any]) -> str:
    since = each.get("since")
    return f", for {max(0.0, time.time() - since):.0f} s" if since else ""


def _run_of(each: dict[str, Any]) -> str:
    return "" if each.get("offset") is None else f": {_run(each)}"


def _state_of(thread: dict[str, Any]) -> str:
    words = ["waits for work"] if thread.get("idle") else []
    if thread.get("owns_gil"):
        words.append("holds the interpreter's lock")
    return f" ({', '.join(words)})" if words else ""


def _frames(each: dict[str, Any]) -> list[str]:
    lines = []
    for frame in frames_of_action(each["frames"]):
        line = f", line {frame['line']}" if frame["line"] else ""
        lines.append(f'  File "{frame["file"]}"{line}, in {frame["function"]}')
        if frame["source"]:
            lines.append(f"    {frame['source']}")
    return lines


def _is_own(frames: list[dict[str, Any]]) -> bool:
    """Whether this is the task of the worker itself."""
    return bool(frames) and frames[0]["file"].endswith("/worker/process/worker.py")


def _plain_thread(name: str, frames: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "native_id": None,
        "idle": False,
        "offset": None,
        "action": "",
        "key": "",
        "frames": frames,
    }


def _frame(function: str, file: str, line: int) -> dict[str, Any]:
    source = linecache.getline(file, line).strip()[:200] if file.endswith(".py") else ""
    return {"function": function, "file": file, "line": line, "source": source}


def threads_of_py_spy(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The threads in what `py-spy dump --json` prints, the main one first."""
    threads = []
    for each in found:
        if each["thread_name"] == PROFILER:
            continue
        frames = [
            _frame(frame["name"], frame["filename"], frame["line"] or 0)
            for frame in reversed(each["frames"])
        ]
        thread = _plain_thread(each["thread_name"] or "?", frames)
        thread["native_id"] = each["os_thread_id"]
        thread["owns_gil"] = bool(each["owns_gil"])
        is_in_action = len(frames_of_action(frames)) < len(frames)
        thread["idle"] = not is_in_action and bool(frames) and is_waiting(frames[-1]["function"])
        threads.append(thread)
    return sorted(threads, key=lambda thread: thread["name"] != "MainThread")


def threads_of_dump(text: str) -> tuple[list[dict[str, Any]], str]:
    """The threads in what `faulthandler` has written, and the text of tasks behind them.

    Of several dumps, which other programs may have asked for, the last one counts.
    """
    dumps, found, tasks = text.partition(_TASKS)
    threads: list[dict[str, Any]] = []
    for line in dumps.splitlines():
        begins = _THREAD.match(line)
        frame = _FRAME.match(line)
        if begins is not None:
            name = f"0x{begins[2]}"
            if any(thread["name"] == name for thread in threads):
                threads = []  # the next dump
            threads.append(_plain_thread(name, []))
        elif frame is not None and threads:
            threads[-1]["frames"].insert(0, _frame(frame[3], frame[1], int(frame[2])))
    shown = [thread for thread in threads if not _is_profiler(thread["frames"])]
    return shown, f"Task {tasks.partition(_END)[0].rstrip()}" if found else ""


def _is_profiler(frames: list[dict[str, Any]]) -> bool:
    return any(frame["file"].endswith("/worker/profiling/profiler.py") for frame in frames)
