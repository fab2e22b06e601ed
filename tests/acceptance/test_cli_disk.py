"""Disks that are full or read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.cli import Folder
from support.tmpfs import small_disk

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
from tamias import Agent, InputEvent, OutputEvent, action


class Hoarder(Agent):
    @action(InputEvent)
    @staticmethod
    def hoard(event, ctx):
        ctx.short_term_memory.set(f"v{event.input}", "x" * 10_000)
        ctx.send_event(OutputEvent(output=event.input))
"""


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("hoarder.py", AGENT)
    folder.inputs(list(range(2000)))
    with small_disk(tmp_path / "disk", "8m") as disk:
        output = disk.path / "out.jsonl"
        command = ("run", "hoarder.py:Hoarder", "-i", "in.jsonl", "-o", output)
        done = folder.tamias(*command, code=1)
        assert "No space is left" in done.stderr
        assert "tamias resume" in done.stderr
        assert "Traceback" not in done.stderr
        # It can still be looked at.
        folder.tamias("inspect", f"{output}.tamias")
        folder.tamias("status", f"{output}.tamias")
        disk.remount("size=200m")
        folder.tamias(*command)
        lines = folder.lines(str(output))
        assert sorted(line["offset"] for line in lines) == list(range(2000))
        assert set(folder.memory("k0", f"{output}.tamias")) == {
            f"v{number}" for number in range(0, 2000, 5)
        }


def test_a_disk_that_is_full_from_the_beginning(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.inputs([1])
    with small_disk(tmp_path / "disk", "1m") as disk:
        disk.fill()
        command = ("run", "agent.py:Counter", "-i", "in.jsonl", "-o", disk.path / "out.jsonl")
        assert "No space is left" in folder.tamias(*command, code=1).stderr
        disk.remount("size=50m")
        folder.tamias(*command)
        assert len(folder.lines(str(disk.path / "out.jsonl"))) == 1


def test_a_read_only_disk(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.inputs([1, "raise"])
    with small_disk(tmp_path / "disk", "50m") as disk:
        state = disk.path / "out.jsonl.tamias"
        run = ("run", "agent.py:Counter", "-i", "in.jsonl", "-o")
        folder.tamias(*run, disk.path / "out.jsonl", code=3)
        disk.remount("ro")
        for command in (
            (*run, disk.path / "out.jsonl"),
            (*run, disk.path / "new.jsonl"),
            ("resume", state),
            ("dead-letters", "retry", state, "--all"),
        ):
            done = folder.tamias(*command, code=2)
            assert "Read-only file system" in done.stderr
            assert "Traceback" not in done.stderr
        # Looking needs no right to write.
        assert folder.memory("k0", str(state)) == {"n": 1, "last": {"value": 1}}
        assert len(folder.dead_letters(str(state))) == 1
        folder.tamias("status", state)
        assert "cannot be written" in folder.tamias("doctor", state, code=1).stdout
