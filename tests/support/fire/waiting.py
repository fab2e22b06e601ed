"""Judges what waits: questions and answers, timers, ends of the input.

When a timer comes between the inputs of its key is a matter of time, so the outputs of a key are
judged in the order that they have: a timer comes once unless it was cancelled before, never early,
and what cancels it says truly whether it was set.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.fire.beside import Answering

HOLDS = {"nap", "naps", "flaky-nap", "ask", "late", "tick", "ticks", "arm", "limited"}
"""Kinds after which inputs of their key may be kept in the store; `limited` waits for a permit."""
LEFT = {"tick": [0], "ticks": [2, 1, 0], "arm": [0]}
"""What is left of the repetitions of a timer each time it comes, by the kind of its input."""


class Waiting:
    """What was observed of one job; outputs are passed to `take` in the order of the file."""

    def __init__(
        self,
        inputs: list[tuple[str, dict[str, Any]]],
        answering: Answering,
        *,
        ends: bool,
        ordered: bool = False,
        retried: bool = False,
    ) -> None:
        """`ends`: whether keys wanted to know of the end of the input."""
        self._retried = retried
        self._ordered = ordered
        self._answering = answering
        self.inputs = {value["i"]: value for _, value in inputs}
        self.held = {key for key, value in inputs if value["kind"] in HOLDS}
        """Keys with inputs that may be kept in the store."""
        self.ends = ends
        self.given: dict[int, str] = {}
        """Answers that runs have got, by input, as their outputs say."""
        self._questions: dict[str, int | None] = {}
        """By token, the input whose run has asked and wants an answer."""
        self._by_key: dict[str, list[dict[str, Any]]] = {key: [] for key, _ in inputs}
        self._ids: set[str] = set()
        self._wrong: list[str] = []

    def take(self, record: dict[str, Any]) -> bool:
        """Take an output in; whether it is one that is judged here alone."""
        question = record.get("question")
        if question is not None:
            if question["token"] in self._questions:
                self._wrong.append(f"question {question['token']} twice")
            self._questions[question["token"]] = question["ask"]
            return True
        output = dict(record["output"])
        self._by_key[record["key"]].append(output)
        if output["step"] not in {"tick", "end"}:
            kind = self.inputs[output["i"]]["kind"]
            if output["step"] == "middle" and kind == "ask":
                self.given[output["i"]] = output["note"][1]["answer"]
            if output["step"] == "first" and kind in {"arm", "disarm"}:
                record["output"]["note"] = None
            return False
        if output["id"] in self._ids:
            self._wrong.append(f"event {output['id']} twice: {output}")
        self._ids.add(output["id"])
        return True

    def wrong(self) -> Iterator[str]:
        """What is not as it must be, when all outputs are taken in."""
        yield from self._wrong
        yield from self._wrong_answers()
        for key, outputs in self._by_key.items():
            yield from self._wrong_timers(key, outputs)
            steps = [output["step"] for output in outputs]
            ends = steps.count("end")
            if ends > self.ends or (self.ends and outputs and not ends):
                yield f"the end of the input came {ends} times to {key}"
            if self._ordered:
                continue  # what has waited is appended, and other lines may be held back
            yield from self._wrong_cancels(key, outputs)
            if ends and not self._retried and {*steps[steps.index("end") :]} - {"end", "tick"}:
                yield f"outputs of {key} behind the end of the input"

    def _wrong_answers(self) -> Iterator[str]:
        asked = Counter(i for i in self._questions.values() if i is not None)
        for i, value in self.inputs.items():
            if value["kind"] == "ask" and asked[i] != 1:
                yield f"input {i} has asked {asked[i]} times"
        for token, i in self._questions.items():
            accepted, sent = self._answering.accepted[token], self._answering.sent[token]
            if i is None:
                right = not accepted
            else:
                given = self.given.get(i)
                right = given in sent and accepted in ([], [given])
            if not right:
                yield f"of the answers {sent} to input {i} {accepted} were accepted"
        for token in self._answering.accepted.keys() - self._questions.keys():
            yield f"an answer to no question was accepted: {token}"

    def _wrong_timers(self, key: str, outputs: list[dict[str, Any]]) -> Iterator[str]:
        """Timers come as often as they must, and never early."""
        ticks: dict[int, list[int]] = {}
        for output in outputs:
            i = output.get("i", -1)
            if output["step"] == "tick":
                ticks.setdefault(i, []).append(output["left"])
                if output["early"]:
                    yield f"a timer of input {i} came {output['early']} s early"
            elif output["step"] == "first" and self.inputs[i]["kind"] in {"tick", "ticks"}:
                ticks.setdefault(i, [])
        for i, left in ticks.items():
            if left != LEFT[self.inputs[i]["kind"]]:
                yield f"timers of input {i} (key {key}) came with {left} left"

    def _wrong_cancels(self, key: str, outputs: list[dict[str, Any]]) -> Iterator[str]:
        """A timer comes unless it was cancelled, and what cancels it says whether it was set."""
        armed: dict[int, int] = {}
        for output in outputs:
            i = output.get("i", -1)
            value = self.inputs.get(i, {"kind": "", "n": 0})
            kind, place = value["kind"], value["n"] % 2
            if output["step"] == "tick" and kind == "arm":
                if armed.pop(place, None) != i:
                    yield f"a timer of input {i} (key {key}) came, and was cancelled or over"
            elif output["step"] == "first" and kind in {"arm", "disarm"}:
                before = armed.pop(place, None)
                if output["note"] != (before is not None):
                    yield f"input {i} (key {key}) said {output['note']}, and {before} had set it"
                if kind == "arm":
                    armed[place] = i
        if armed:
            yield f"timers of inputs {armed} (key {key}) have not come"

    def wrong_memory(self, key: str, memory: dict[str, Any]) -> Iterator[str]:
        """Compare, and remove, what timers and ends have left in memory."""
        for step, name in (("tick", "ticks"), ("end", "ended")):
            expected = sum(output["step"] == step for output in self._by_key[key])
            found = memory.pop(name, 0)
            if found != expected:
                yield f"memory of {key} counts {found} {name}, and there are {expected} outputs"
