"""A job whose inputs fail says so, with the first of each kind, and does not go on for ever."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
from tamias import Agent, InputEvent, OutputEvent, action

class Picky(Agent):
    @action(InputEvent)
    @staticmethod
    def act(event, ctx):
        if event.input:
            raise ValueError(f"not {event.input}")
        ctx.send_event(OutputEvent(output=0))

class Forgetful(Agent):
    @action(InputEvent)
    @staticmethod
    async def act(event, ctx):
        ctx.durable_execute_async(print, 1)
"""
RUN = ("run", "picky.py:Picky", "-i", "in.jsonl", "-o", "out.jsonl", "--workers", "1")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.write("picky.py", AGENT)
    return folder


def test_all_inputs_fail(folder: Folder) -> None:
    folder.inputs([1, 2, 3])
    told = folder.tamias(*RUN, code=3).stderr
    assert "failed: 3 of 3 inputs" in told
    assert "3 failed, first input 0: ValueError: not 1 (picky.py:9 in act)" in " ".join(
        told.split()
    )
    assert "done" not in told


def test_some_inputs_fail(folder: Folder) -> None:
    folder.inputs([0, 2, 0])
    told = folder.tamias(*RUN, "--json", code=3)
    assert "done: 3 inputs" in told.stderr
    assert "1 failed, first input 1: ValueError: not 2" in told.stderr
    report = json.loads(told.stdout)
    assert list(report["failures"].values()) == [[1, 1, "ValueError: not 2"]]
    status = json.loads(folder.tamias("status", "out.jsonl.tamias", "--json", code=None).stdout)
    assert status["failures"] == report["failures"]


def test_a_coroutine_that_is_never_awaited_is_told_with_its_line(folder: Folder) -> None:
    folder.inputs([1])
    told = folder.tamias(*RUN[:1], "picky.py:Forgetful", *RUN[2:]).stderr
    flat = " ".join(told.split())
    assert "durable_execute_async' was never awaited" in flat
    assert "picky.py:16" in flat


def test_an_input_that_is_malformed_from_its_beginning_ends_at_once(folder: Folder) -> None:
    text = "".join(f'{{"ky":{n},"value":0}}\n' for n in range(100_000))
    folder.write("in.jsonl", text)
    refused = folder.tamias(*RUN, code=2)
    assert "The first 100 records of the input are all malformed" in refused.stderr
    assert "has no field 'key'" in " ".join(refused.stderr.split())
    assert "--key" in refused.stderr
    assert not folder.everything() & {"out.jsonl", "out.jsonl.tamias"}
    streamed = folder.tamias(*RUN[:3], "-", *RUN[4:], stdin=text, code=2)
    assert "are all malformed" in streamed.stderr
    (folder.path / "in.jsonl").write_text("".join(text.splitlines(keepends=True)[:120]))
    allowed = folder.tamias(*RUN, "--set", "malformed-limit=0", "--fresh", code=3)
    assert "failed: 120 of 120 inputs" in allowed.stderr
    right = folder.tamias(*RUN, "--key", "ky", "--fresh", code=3)
    assert "ValueError: not {'ky': 0" in right.stderr
