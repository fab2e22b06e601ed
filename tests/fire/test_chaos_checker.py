"""The checker of chaos finds what it is there for: it passes right histories, not doctored ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.chaos.checker import judge
from support.chaos.history import (
    Answer,
    Bounds,
    Call,
    Fault,
    History,
    Leftover,
    Letter,
    Life,
    Memory,
    Operation,
    Question,
    Refusal,
    Run,
    Sample,
    Submitted,
    Tick,
)
from support.chaos.kinds import BAD_CODE, CALLS, IN_DIARY, POISONS, link_after

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KINDS = ["plain", "calls", "segv", "async-gather", "plain", "once-exit", "spin", "call", "plain"]
KEYS = ["a", "b", "a"]
FIRST, SECOND = 100, 200
"""Processes: the second takes over where the first has died, in the run of input 5."""


def right() -> History:
    """What is observed of a pool that keeps its promises, whose first worker is killed."""
    history = History()
    counts: dict[str, int] = {}
    links: dict[str, str] = {}
    memory: dict[str, Memory] = {}
    at = 0
    for i, kind in enumerate(KINDS):
        key = KEYS[i % 3]
        history.submitted.append(Submitted("file", i, key, kind))
        pids = [FIRST] if i < 5 else [FIRST, SECOND] if i == 5 else [SECOND]
        for pid in pids:
            history.runs.append(Run("B", i, key, pid, at := at + 1))
            names = CALLS.get(kind, ())
            history.calls += [Call(i, name, f"{i}{name}", pid, at := at + 1) for name in names]
        if kind in POISONS:
            history.letters.append(Letter(i, POISONS[kind], "killed its worker", pids[-1], 0))
            continue
        history.runs.append(Run("E", i, key, pids[-1], at := at + 1))
        counts[key] = counts.get(key, 0) + 1
        links[key] = link_after(links.get(key, ""), i)
        tokens = {name: f"{i}{name}" for name in CALLS.get(kind, ())}
        value = {"count": counts[key], "link": links[key], "tokens": tokens, "version": 0}
        diary = memory[key].fields["diary"] if key in memory else []
        value["found"] = [last for last, _ in diary[-1:]]
        history.answers.append(Answer("file", len(history.answers), key, i, value))
        fields = {"count": counts[key], "link": links[key], "found": value["found"]}
        fields["diary"] = [*diary, [i, links[key]]][-IN_DIARY:]
        if key in memory and "last" in memory[key].fields:
            fields["last"] = memory[key].fields["last"]
        if tokens:
            fields["last"] = {"tokens": tokens}
        memory[key] = Memory(key, fields)
    history.memory += memory.values()
    history.faults.append(Fault("worker SIGKILL", FIRST, 9))
    history.operations.append(Operation("bad reload: raise", "ReloadError", bad=True))
    history.lives += [Life(1, -9, killed=True), Life(2, 3, killed=False)]
    history.samples.append(Sample(1, 50 << 20, 10, 30))
    history.bounds.append(Bounds(100 << 20, 64, 256))
    return history


def waiting() -> History:
    """A key whose inputs set a timer, ask, set the timer anew, cancel it, and set it again."""
    history = right()
    kinds = ["async-timer", "async-ask", "async-timer", "async-cancel", "async-timer", "async-late"]
    waited = [False, "yes", True, True, False, "late"]
    link = ""
    for count, (kind, value) in enumerate(zip(kinds, waited, strict=True), 1):
        i = 100 + count
        history.submitted.append(Submitted("file", i, "w", kind))
        link = link_after(link, i)
        output = {"count": count, "link": link, "tokens": {}, "version": 0, "waited": value}
        history.answers.append(Answer("file", i, "w", i, output))
    history.ticks.append(Tick(200, "w", 105, 0.0, 1))
    history.memory.append(Memory("w", {"count": 6, "link": link, "ticks": 1}))
    history.questions.append(Question("q1", 102, ["no", "yes"], ["yes"]))
    history.questions.append(Question("q2", None, ["late"], []))
    return history


def answer_to(history: History, i: int) -> Answer:
    (found,) = [answer for answer in history.answers if answer.i == i]
    return found


def swap(items: list[Answer], one: int, other: int) -> None:
    items[one], items[other] = items[other], items[one]


def change(history: History, i: int, **value: object) -> None:
    answer = answer_to(history, i)
    history.answers[history.answers.index(answer)] = replace(
        answer, value={**answer.value, **value}
    )


def exchange_runs(history: History) -> None:
    """Inputs 0 and 3 of key "a" take their turns in the other order, and say so."""
    for i, j, count in ((0, 3, 2), (3, 0, 1)):
        link = link_after("" if count == 1 else link_after("", j), i)
        change(history, i, count=count, link=link)


def overlap(history: History) -> None:
    """The first process ends its run of input 5 when the second has begun it."""
    at = max(run.at for run in history.runs if run.i == 5 and run.mark == "B")
    history.runs.append(Run("E", 5, "a", FIRST, at))


def interleave(history: History) -> None:
    """One process begins input 3 of key "a" while 0 is still under way there."""
    (end,) = [run for run in history.runs if run.i == 0 and run.mark == "E"]
    history.runs.remove(end)


def go_back(history: History) -> None:
    history.runs.append(Run("B", 0, "a", FIRST, history.runs[7].at))


def repeat_output(history: History) -> None:
    history.answers.append(replace(history.answers[0], place=99))


def count_twice(history: History) -> None:
    """The last input of key "b" has had its effect on memory twice, its output is there once."""
    (memory,) = [memory for memory in history.memory if memory.key == "b"]
    number = history.memory.index(memory)
    link = link_after(memory.fields["link"], 7)
    count = memory.fields["count"] + 1
    fields = {**memory.fields, "count": count, "link": link}
    history.memory[number] = Memory("b", fields)


def call_again(history: History, i: int, name: str, pid: int, *, last: bool = True) -> None:
    at = max(call.at for call in history.calls) + 1
    if not last:
        at = min(call.at for call in history.calls if call.i == i) - 1
    history.calls.append(Call(i, name, "another", pid, at))


def again_though_recorded(history: History) -> None:
    """Call one is made again when call two has been made, and the answer is the new one."""
    call_again(history, 1, "one", SECOND)
    change(history, 1, tokens={"one": "another", "two": "1two"})
    history.memory[1].fields["last"] = {"tokens": {"one": "another", "two": "1two"}}


def set_aside(history: History, i: int) -> None:
    history.answers.remove(answer_to(history, i))
    history.letters.append(Letter(i, "crash", "", 0, 0))


def let_through(history: History) -> None:
    """Input 2, which is poison, has an output."""
    (letter,) = [letter for letter in history.letters if letter.i == 2]
    history.letters.remove(letter)
    history.answers.append(replace(history.answers[0], i=2))


DOCTORED: dict[str, tuple[int, Callable[[History], object], str]] = {
    "outputs in another order": (1, lambda h: swap(h.answers, 0, 2), "stands behind"),
    "runs in another order": (1, exchange_runs, "was run before"),
    "two processes in one run": (1, overlap, "still run by process"),
    "two runs of a key at a time": (1, interleave, "while 0 was run"),
    "a run after a later one": (1, go_back, "went back"),
    "a lost output": (2, lambda h: h.answers.pop(), "neither an output nor"),
    "a lost dead letter": (2, lambda h: h.letters.pop(), "neither an output nor"),
    "an output twice": (2, repeat_output, "several outputs"),
    "an output of a dead letter": (
        2,
        lambda h: h.letters.append(Letter(0, "crash", "", 0, 0)),
        "is set aside as well",
    ),
    "an output of nobody": (
        2,
        lambda h: h.answers.append(replace(h.answers[0], i=77)),
        "was never submitted",
    ),
    "an effect twice": (2, count_twice, "in memory, and should have"),
    "an item twice": (
        2,
        lambda h: h.memory[0].fields["diary"].append(h.memory[0].fields["diary"][-1]),
        "in memory, and should have",
    ),
    "an item lost": (2, lambda h: h.memory[0].fields["diary"].pop(0), "and should have"),
    "a search that finds another item": (2, lambda h: change(h, 3, found=[1]), "has found [1]"),
    "an effect lost": (2, lambda h: change(h, 3, count=3), "none with count 2"),
    "an effect out of its place": (2, lambda h: change(h, 3, link="?"), "does not follow"),
    "memory of another key": (2, lambda h: h.memory.append(Memory("c", {})), "and no outputs"),
    "a client is told of a failure that was none": (
        2,
        lambda h: h.refusals.append(Refusal("file", 0, "crash", "")),
        "was told",
    ),
    "two letters": (2, lambda h: h.letters.append(h.letters[0]), "two dead letters"),
    "a call twice in one process": (
        3,
        lambda h: call_again(h, 1, "one", FIRST, last=False),
        "by the same process",
    ),
    "a call after its record": (3, lambda h: call_again(h, 7, "one", FIRST), "after its result"),
    "a call though on record": (3, again_though_recorded, "though on record"),
    "a result lost": (3, lambda h: change(h, 7, tokens={}), "has results of"),
    "a launcher that fails": (4, lambda h: h.lives.insert(0, Life(7, 1, killed=False)), "code 1"),
    "a job that does not end": (4, lambda h: h.lives.pop(), "did not get to its end"),
    "an innocent is set aside": (
        5,
        lambda h: set_aside(h, 8),
        "is set aside: crash",
    ),
    "a wrong cause": (
        5,
        lambda h: h.letters.append(replace(h.letters.pop(), cause="memory")),
        "set aside for memory",
    ),
    "a poison gets through": (
        5,
        let_through,
        "is not set aside",
    ),
    "bad code makes outputs": (5, lambda h: change(h, 0, version=-1), "made by bad code"),
    "bad code stays": (
        5,
        lambda h: h.operations.append(Operation("bad reload: segv", "promoted", bad=True)),
        "was promoted",
    ),
    "a process is left": (6, lambda h: h.leftovers.append(Leftover("process 5")), "process 5"),
    "a launcher grows": (7, lambda h: h.samples.append(Sample(1, 1 << 30, 1, 1)), "rss"),
    "a worker is flooded": (7, lambda h: h.samples.append(Sample(1, 1, 65, 99)), "in_flight"),
    "a queue grows": (7, lambda h: h.samples.append(Sample(1, 1, 1, 257)), "held"),
    "a queue grows during a reload": (
        7,
        lambda h: h.samples.append(Sample(1, 1, 1, 385, workers=6)),
        "held",
    ),
}


WAITING: dict[str, tuple[Callable[[History], object], str]] = {
    "an early timer": (lambda h: change_tick(h, early=0.1), "early"),
    "a timer twice": (lambda h: h.ticks.append(replace(h.ticks[0], place=201)), "counts 1"),
    "a timer's effect twice": (lambda h: h.memory[-1].fields.update(ticks=2), "counts 2"),
    "a cancelled timer": (lambda h: change_tick(h, i=103), "over or cancelled"),
    "a lost timer": (
        lambda h: (h.ticks.pop(), h.memory[-1].fields.pop("ticks")),
        "has not come",
    ),
    "a cancel that lies": (lambda h: change(h, 104, waited=False), "has cancelled"),
    "a timer set aside": (
        lambda h: h.lost_ticks.append(Letter(0, "crash", "", 0, 0)),
        "a timer is set aside",
    ),
    "another answer": (lambda h: change(h, 102, waited="no"), "accepted was"),
    "an answer of nobody": (
        lambda h: change(h, answer_of_nobody(h), waited="maybe"),
        "nobody has sent",
    ),
    "two answers": (lambda h: h.questions[0].accepted.append("no"), "accepted was"),
    "an answer to what is over": (lambda h: h.questions[1].accepted.append("late"), "accepted was"),
    "asked twice": (lambda h: h.questions.append(replace(h.questions[0], token="q3")), "2 times"),
    "a question twice": (lambda h: h.questions.append(h.questions[0]), "came out twice"),
    "no end of a wait": (lambda h: change(h, 106, waited="early"), "has got early"),
}


def answer_of_nobody(history: History) -> int:
    """Forget which answer was accepted; returns the input that has asked."""
    history.questions[0].accepted.clear()
    return 102


def change_tick(history: History, **values: Any) -> None:
    history.ticks[0] = replace(history.ticks[0], **values)


@pytest.mark.parametrize("name", WAITING)
def test_a_doctored_history_of_waits_is_found_out(name: str) -> None:
    doctor, word = WAITING[name]
    history = waiting()
    assert judge(history) == []
    doctor(history)
    found = judge(history)
    assert any(number == 8 and word in text for number, text in found), found


def test_a_right_history_passes(tmp_path: Path) -> None:
    history = right()
    assert judge(history) == []
    history.save(tmp_path / "history")
    assert History.load(tmp_path / "history") == history


@pytest.mark.parametrize("name", DOCTORED)
def test_a_doctored_history_is_found_out(name: str) -> None:
    promise, doctor, word = DOCTORED[name]
    history = right()
    doctor(history)
    found = judge(history)
    assert any(number == promise and word in text for number, text in found), found


def test_what_may_differ_from_run_to_run_is_no_violation() -> None:
    history = right()
    # A call is made again by the next process, if the first has died before its record.
    again = [call for call in history.calls if (call.i, call.name) == (7, "one")]
    history.calls.append(replace(again[0], token="lost", pid=FIRST, at=again[0].at - 1))
    # A hung poison whose worker was hit by a signal of ours is set aside for that.
    spin = next(letter for letter in history.letters if letter.i == 6)
    history.letters[history.letters.index(spin)] = replace(spin, cause="crash", worker=FIRST)
    # An input is spoilt by bad code before that is rolled back.
    history.submitted.append(Submitted("file", 9, "a", "plain"))
    history.letters.append(Letter(9, "exception", f"ValueError: {BAD_CODE}", SECOND, 1))
    assert judge(history) == []
