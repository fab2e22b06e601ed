"""Inputs that kill or hang their worker: these end in the dead letters, all others exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.fire.run import Field, Shape

if TYPE_CHECKING:
    from pathlib import Path

    from tamias.store.records.dead_letters import DeadLetter


def dead_letters(directory: Path, shape: Shape) -> dict[int, DeadLetter]:
    """Run a job to its end, check everything, and return the dead letters of its special inputs."""
    field = Field(directory, 0, shape)
    assert field.finish(field.start(), 100) == 0, field.last_words()
    outcome = field.judge()
    assert not outcome.wrong, field.last_words()
    return {offset: field.dead[offset] for offset in shape.special}


def test_inputs_that_kill_their_worker(tmp_path: Path) -> None:
    poison = {
        100: "segv",
        101: "exit",
        900: "abort",
        1700: "overflow",
        2500: "async-segv",
        2999: "async-exit",
    }
    dead = dead_letters(tmp_path, Shape(inputs=3000, keys=100, special=poison))
    assert {offset: (dead[offset].cause, dead[offset].signal) for offset in dead} == {
        100: ("crash", 11),
        101: ("crash", None),
        900: ("crash", 6),
        1700: ("crash", 11),
        2500: ("crash", 11),
        2999: ("crash", None),
    }
    assert "code 7" in dead[101].error
    for offset, place in {100: "string_at", 900: "first", 1700: "overflow_the_stack"}.items():
        assert place in dead[offset].stacks
    assert all(letter.attempts >= 3 for letter in dead.values())


def test_inputs_that_never_end(tmp_path: Path) -> None:
    shape = Shape(
        inputs=1500,
        config={"run-timeout": "400ms"},
        special={100: "spin", 700: "hang", 1100: "async-spin"},
    )
    dead = dead_letters(tmp_path, shape)
    assert {offset: letter.cause for offset, letter in dead.items()} == {
        100: "timeout",
        700: "timeout",
        1100: "timeout",
    }
    assert "in spin" in dead[100].stacks
    assert "in spin" in dead[1100].stacks
    assert "event loop" in dead[1100].error
    assert dead[700].action == "middle"


@pytest.mark.parametrize(
    ("kind", "config"),
    [("thread-hang", {}), ("sleep", {"sync-in-threads": True})],
    ids=["durable calls", "actions"],
)
def test_threads_that_hang_take_nobody_s_place(
    tmp_path: Path, kind: str, config: dict[str, Any]
) -> None:
    # Three attempts of each of these are more threads than there are.
    hanging = {100 + 20 * n: kind for n in range(14)}
    shape = Shape(special=hanging, config={"run-timeout": "400ms", **config})
    dead = dead_letters(tmp_path, shape)
    assert {letter.cause for letter in dead.values()} == {"timeout"}


def test_a_forked_child_does_not_go_on_as_the_worker(tmp_path: Path) -> None:
    kinds = ["plain"] * 20 + ["fork-return", "fork-raise"]
    assert not dead_letters(tmp_path, Shape(inputs=400, kinds=kinds))
