"""Random numbers: each worker, and each successor of one that died, draws its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.cli import Folder

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
import os
import random
import signal

import numpy as np

from tamias import Agent, InputEvent, OutputEvent, action

GENERATOR = np.random.default_rng(7)
SEEDED = random.Random(7)
np.random.seed(7)


class Drawing(Agent):
    @action(InputEvent)
    @staticmethod
    def draw(event, ctx):
        numbers = [GENERATOR.random(), SEEDED.random(), np.random.random(), random.random()]
        if event.input == 99 and ctx.durable_execute(os.getpid) == os.getpid():
            os.kill(os.getpid(), signal.SIGKILL)
        ctx.send_event(OutputEvent(output=numbers))
"""


@pytest.mark.parametrize("method", ["zygote", "spawn"])
def test_no_two_workers_draw_the_same_numbers(tmp_path: Path, method: str) -> None:
    folder = Folder(tmp_path)
    folder.write("drawing.py", AGENT)
    folder.inputs(list(range(150)), keys=40)
    folder.tamias(
        *("run", "drawing.py:Drawing", "-i", "in.jsonl", "-o", "out.jsonl"),
        *("--workers", 2, "--set", f"start-method={method}"),
    )
    columns = zip(*(line["output"] for line in folder.lines()), strict=True)
    assert [len(set(column)) for column in columns] == [150] * 4
