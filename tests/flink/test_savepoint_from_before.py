"""A savepoint that the version before the move has written, carried on with by this one."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("pyflink", reason="PyFlink is not installed: it has no wheels for this Python")

from support.flink.cluster import Cluster, cluster
from support.launcher.old_state import Left

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 120
KEYS = 6
TROUBLE = 5
WAITING = (16, 17, 18, 19)
SAID = 8
"""So many things are said in an output where nothing in memory is strange."""

pytestmark = pytest.mark.timeout(600)


def printed(home: Path) -> list[dict[str, Any]]:
    """The outputs that are in the logs of the task managers."""
    texts = [path.read_text(encoding="utf-8") for path in (home / "log").glob("taskmanager-*.out")]
    return [
        json.loads(output)
        for text in texts
        for output in re.findall(r"^(?:\d+> )?(\{.*\})$", text, re.MULTILINE)
    ]


def dead_letters(flink: Cluster, left: Left) -> dict[str, str]:
    """The errors in the dead letters of all pools, by key."""
    found = {}
    for state in flink.states():
        listed = left.tamias("dead-letters", "list", state / "state", "--json", code=None).stdout
        for letter in map(json.loads, listed.splitlines()):
            found[letter["key"]] = letter["error"]
    return found


def test_a_savepoint_is_carried_on_at_another_parallelism(tmp_path: Path) -> None:
    left = Left(tmp_path / "left", "savepoint")
    before = left.lines()
    made = left.calls()
    assert set(made.values()) == {1}
    home = tmp_path / "flink"
    with cluster(home, task_managers=2) as flink:
        job = flink.submit(
            *(left.path / "flink_job.py", "--count", COUNT, "--rate", 20),
            savepoint=f"file:{left.path}/savepoint",
            parallelism=3,
        )
        # Runs that were under way begin again, and those that wait make no call before they do.
        flink.wait_for(lambda: all((left.path / f"waiting.{n}").exists() for n in WAITING), 120)
        assert all(left.calls()[call] == 1 for call in made)
        flink.wait_for(lambda: bool(dead_letters(flink, left)), 60)
        assert dead_letters(flink, left) == {f"key-{TROUBLE}": "ValueError: this is trouble"}
        left.open_the_gates()
        flink.wait_for_end(job)
        assert flink.failures(job) == 0
    outputs = [*before, *printed(home)]
    assert sorted(output["n"] for output in outputs) == [n for n in range(COUNT) if n != TROUBLE]
    assert {len(output["said"]) for output in outputs} == {SAID}
    for key in range(KEYS):
        numbers = [n for n in range(key, COUNT, KEYS) if n != TROUBLE]
        counts = {output["n"]: output["count"] for output in outputs if output["n"] % KEYS == key}
        assert counts == {n: count for count, n in enumerate(numbers, 1)}
    assert set(left.calls().values()) == {1}
