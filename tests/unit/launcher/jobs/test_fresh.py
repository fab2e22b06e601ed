"""The job before is lost only when the new one has begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tamias.launcher.jobs.fresh import begun_anew
from tamias.store.state.directory import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path


def _begin(state: Path, *, shards: int) -> None:
    StateDirectory.open(state, agent="a:A", shards=shards, durability="process", job={}).close()


def _be_interrupted(state: Path) -> None:
    state.mkdir()
    (state / "launcher.lock").touch()
    raise KeyboardInterrupt


def test_an_interruption_while_the_directory_is_made_loses_nothing(tmp_path: Path) -> None:
    state, output = tmp_path / "out.tamias", tmp_path / "out"
    _begin(state, shards=2)
    output.write_text("precious")
    with pytest.raises(KeyboardInterrupt), begun_anew(state, str(output)):
        _be_interrupted(state)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.tamias"]
    assert output.read_text() == "precious"
    with StateDirectory.view(state) as view:
        assert view.manifest.shards == 2


def test_what_was_left_half_made_is_in_nobody_s_way(tmp_path: Path) -> None:
    state = tmp_path / "out.tamias"
    state.mkdir()
    (state / "launcher.lock").touch()
    with begun_anew(state, None):
        _begin(state, shards=1)
    with StateDirectory.view(state) as view:
        assert view.manifest.shards == 1
