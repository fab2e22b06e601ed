"""The local socket's place: short, for its user alone, and swept of what others have left."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from tamias import PoolError
from tamias.service.protocol.endpoint import LONGEST, socket_path

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "r"
    path.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    return path


def test_each_state_directory_has_a_path_of_its_own_however_deep_it_lies(
    runtime: Path, tmp_path: Path
) -> None:
    deep = tmp_path / ("d" * 200) / ("e" * 200)
    path = socket_path(deep)
    assert path == socket_path(deep) != socket_path(deep.parent)
    assert path.parent == runtime / "tamias"
    assert len(os.fsencode(path)) <= LONGEST


def test_a_runtime_directory_that_is_too_long_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ("l" * 100)
    path.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    assert len(os.fsencode(socket_path(tmp_path))) <= LONGEST


def test_a_directory_that_others_can_enter_is_refused(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (runtime / "tamias").mkdir(mode=0o755)
    monkeypatch.setattr("tamias.service.protocol.endpoint._folders", lambda: [runtime / "tamias"])
    with pytest.raises(PoolError, match="its mode is 755"):
        socket_path(runtime)


def test_sockets_of_the_dead_are_swept_out_and_those_of_the_living_stay(runtime: Path) -> None:
    folder = socket_path(runtime).parent
    with socket.socket(socket.AF_UNIX) as living, socket.socket(socket.AF_UNIX) as dead:
        for ear, name in ((living, "living"), (dead, "dead")):
            ear.bind(str(folder / f"{name}.sock"))
        living.listen()
        (folder / "new.sock").touch()
        for name in ("living", "dead"):
            os.utime(folder / f"{name}.sock", (0, 0))
        socket_path(runtime)
    assert {path.name for path in folder.iterdir()} == {"living.sock", "new.sock"}
