"""A job under chaos: `tamias run` with a file as input, repeated until it is done.

The output is a file, or a pipe whose reader pauses again and again: the slow sink. What was written
to a pipe cannot be taken back, so that its launcher is let live.
"""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING

from support.chaos import plan
from support.chaos.ground import PATIENCE, Ground, workers_of
from support.chaos.history import Answer, Fault, Question, Tick
from support.cli import TAMIAS

if TYPE_CHECKING:
    from pathlib import Path

    from support.chaos.history import History
    from support.chaos.plan import Deed, Shape

PRODUCER = "file"
"""Seconds for what is left when the last fault has happened."""


class Stream:
    """One job; `run` is all there is to do."""

    def __init__(self, folder: Path, seed: int, shape: Shape, *, pipe: bool = False) -> None:
        self.ground = Ground(folder)
        self._pipe = pipe
        weights = plan.PIPE if pipe else plan.STREAM
        self._deeds = plan.deeds(seed, shape, weights)
        self._inputs = plan.inputs(seed, shape, self._deeds, [PRODUCER], malformed=True, timed=True)
        self._folder = folder
        self._paused_until = 0.0
        self._reader: threading.Thread | None = None
        self._received: list[str] = []
        self._crew = 0
        self._sizes = [workers_of(deed) for deed in self._deeds]
        with (folder / "in.jsonl").open("w", encoding="utf-8") as lines:
            for submitted in self._inputs:
                value = {"i": submitted.i, "key": submitted.key, "kind": submitted.kind}
                if shape.pad:
                    value["pad"] = "x" * shape.pad
                line = json.dumps({"key": submitted.key, "value": value})
                lines.write((line[:-3] if submitted.kind == "malformed" else line) + "\n")

    def run(self) -> History:
        """Have it all happen; what was observed."""
        ground, history = self.ground, self.ground.history
        history.submitted += self._inputs
        try:
            self._start()
            for deed in self._deeds:
                if self._wait(deed):
                    self._do(deed)
            ground.settle()
            self._finish()
            self._read_outputs()
            ground.collect()
        finally:
            ground.close()
        return history

    def _start(self) -> None:
        output = ["-o", "-"] if self._pipe else ["-o", "out.jsonl"]
        self._crew += 1
        command = [
            TAMIAS, "run", f"{self._folder}/agent.py:Chaos", "-i", "in.jsonl", *output,
            "--state", "state", "-w", self._sizes[self._crew % len(self._sizes)], "--quiet",
        ]  # fmt: skip
        if not self._pipe:
            self.ground.start(*command)
            return
        read, write = os.pipe()
        try:
            self.ground.start(*command, stdout=write)
        finally:
            os.close(write)
        self._reader = threading.Thread(target=self._receive, args=[read])
        self._reader.start()

    def _receive(self, read: int) -> None:
        """The slow sink's other end."""
        with os.fdopen(read, encoding="utf-8") as lines:
            for line in lines:
                self._received.append(line)
                while (left := self._paused_until - time.monotonic()) > 0:
                    self.ground.backed_up = True
                    time.sleep(left)
                self.ground.backed_up = False

    def _alive(self) -> bool:
        """Whether the job goes on; a launcher that was killed is followed by another one."""
        launcher = self.ground.launcher
        if launcher is None or launcher.poll() is None:
            return launcher is not None
        life = self.ground.bury()
        if life.code in (0, 3) or not (life.killed or life.gave_up):
            return False
        self._start()
        return True

    def _wait(self, deed: Deed) -> bool:
        """Until it is time; False if the job is over before."""
        target = self.ground.begun() + deed.after
        while self.ground.begun() < target:
            if not self._alive():
                return False
            time.sleep(0.003)
        time.sleep(deed.pause)
        return self._alive()

    def _do(self, deed: Deed) -> None:
        if deed.kind == "sink paused":
            seconds = 0.2 + 2 * deed.pick
            self._paused_until = time.monotonic() + seconds
            self.ground.history.faults.append(Fault(deed.kind, at=time.monotonic_ns()))
            return
        until = time.monotonic() + PATIENCE
        while not self.ground.strike(deed) and self._alive() and time.monotonic() < until:
            time.sleep(0.002)  # there is none of these now: one that is only just starting will do
        most = self.ground.begun() + plan.CALM_RUNS * deed.calm
        while self.ground.busy and self.ground.begun() < most and self._alive():
            time.sleep(0.01)

    def _finish(self) -> None:
        while self._alive():
            self.ground.begun()  # which raises if nothing happens any more
            time.sleep(0.01)

    def _read_outputs(self) -> None:
        if self._reader is not None:
            self._reader.join()
            lines = self._received
        else:
            lines = (self._folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
        history, answering = self.ground.history, self.ground.answering
        for place, line in enumerate(lines):
            record = json.loads(line)
            if "question" in record:
                question = record["question"]
                token = question["token"]
                sent, accepted = answering.sent[token], answering.accepted[token]
                history.questions.append(Question(token, question["ask"], sent, accepted))
                continue
            output = record["output"]
            if "tick" in output:
                tick = Tick(place, record["key"], output["i"], output["early"], output["tick"])
                history.ticks.append(tick)
                continue
            answer = Answer(PRODUCER, place, record["key"], record["offset"], record["output"])
            history.answers.append(answer)
