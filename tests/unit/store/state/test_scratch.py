"""Where temporary state is."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tamias.cli.paths import StatePlace
from tamias.store.state import scratch


def test_without_files_in_memory_it_is_where_temporary_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "MEMORY", tmp_path / "nothing")
    place = scratch.make_scratch("none")
    place.rmdir()
    assert place.parent == Path(tempfile.gettempdir())


@pytest.mark.parametrize(("durability", "in_memory"), [("none", True), ("process", False)])
def test_the_commands_is_in_memory_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, *, in_memory: bool
) -> None:
    monkeypatch.setattr(scratch, "MEMORY", tmp_path)
    monkeypatch.setattr(scratch, "MIN_FREE_BYTES", 0)
    with StatePlace(None, "-", durability) as place:
        assert len(list(tmp_path.iterdir())) == in_memory
        assert place.is_temporary
    assert list(tmp_path.iterdir()) == []
