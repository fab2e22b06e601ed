"""The keys of inputs that are not done, looked up in the input's file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tamias.launcher.sources.factory import open_source
from tamias.launcher.sources.input_keys import InputKeys
from tamias.store.encoding.keys import encode_key

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    """The job of a manifest, whose input has 1,000 lines."""
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"key": f"k{n}", "value": n}) + "\n" for n in range(1000)))
    with open_source(str(path)) as source:
        return {"spec": {"input": str(path)}, "input": source.identity()}


def looked_up(job: dict[str, Any], checkpoint: dict[str, Any] | None, *offsets: int) -> list[Any]:
    """The keys of inputs."""
    keys = InputKeys(job, checkpoint)
    found = [keys.key_of(offset) for offset in offsets]
    keys.close()
    return found


def checkpoint_at(job: dict[str, Any], offset: int) -> dict[str, Any]:
    """What a checkpoint says when so many inputs were read."""
    with open_source(job["spec"]["input"]) as source:
        source.read(offset)
        return {"source": list(source.position), "read": source.read_so_far()}


def test_keys_behind_the_checkpoint(job: dict[str, Any]) -> None:
    assert looked_up(job, None, 3, 999, 0, 1000) == [
        *(encode_key(f"k{n}") for n in (3, 999, 0)),
        None,
    ]
    checkpoint = checkpoint_at(job, 500)
    assert looked_up(job, checkpoint, 499, 500, 998) == [
        None,
        *(encode_key(f"k{n}") for n in (500, 998)),
    ]


def test_an_input_that_has_changed_says_nothing(job: dict[str, Any], tmp_path: Path) -> None:
    checkpoint = checkpoint_at(job, 500)
    path = tmp_path / "in.jsonl"
    path.write_text(path.read_text().replace('"k3"', '"k4"'))
    assert looked_up(job, checkpoint, 600) == [None]
    path.unlink()
    assert looked_up(job, None, 600) == [None]


@pytest.mark.parametrize("job", [{}, {"spec": {"input": "-"}}, {"spec": {}}, {"service": {}}])
def test_a_job_without_a_file_says_nothing(job: dict[str, Any]) -> None:
    assert looked_up(job, None, 0) == [None]
