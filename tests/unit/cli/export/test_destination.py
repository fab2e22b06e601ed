"""An export's file is there when it is complete, and not before."""

from __future__ import annotations

import gzip
import os
import threading
from typing import TYPE_CHECKING

import pytest

from tamias.agent.errors import UsageError
from tamias.cli.export.destination import check_destination, written

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["without a name", "with a name"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, on a file system that knows files without a name, and on one that does not."""
    if request.param == "with a name":
        monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY | os.O_WRONLY)
    return tmp_path


def test_a_file_appears_when_it_is_complete(place: Path) -> None:
    path = place / "out.csv"
    with written(path, overwrite=False) as file:
        file.write(b"half")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert [entry.name for entry in place.iterdir()] == ["out.csv"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_a_failure_leaves_what_was_there(place: Path) -> None:
    path = place / "out.csv"
    path.write_bytes(b"old")

    def fail() -> None:
        with written(path, overwrite=True) as file:
            file.write(b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in place.iterdir()] == ["out.csv"]
    with written(path, overwrite=True) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_a_file_that_appears_meanwhile_is_kept(place: Path) -> None:
    path = place / "out.csv"

    def write() -> None:
        with written(path, overwrite=False) as file:
            file.write(b"mine")
            path.write_bytes(b"another's")

    with pytest.raises(UsageError, match="exists"):
        write()
    assert path.read_bytes() == b"another's"
    assert [entry.name for entry in place.iterdir()] == ["out.csv"]


def test_a_symbolic_link_stays_one(place: Path) -> None:
    (place / "real").write_bytes(b"old")
    (place / "link.csv").symlink_to("real")
    with written(place / "link.csv", overwrite=True) as file:
        file.write(b"new")
    assert (place / "link.csv").is_symlink()
    assert (place / "real").read_bytes() == b"new"


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    check_destination(pipe, tmp_path / "state", overwrite=False)
    with written(pipe, overwrite=False) as file:
        file.write(b"all")
    reader.join()
    assert got == [b"all"]
    assert pipe.is_fifo()


def test_an_ending_gz_is_compressed(tmp_path: Path) -> None:
    with written(tmp_path / "out.jsonl.gz", overwrite=False) as file:
        file.write(b"text\n")
    assert gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()) == b"text\n"


def test_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "old").touch()
    for path in (tmp_path, state / "tamias.json", state / "new.csv", tmp_path / "old"):
        with pytest.raises(UsageError):
            check_destination(path, state, overwrite=False)
    with pytest.raises(UsageError):
        check_destination(state / "new.csv", state, overwrite=True)
    check_destination(tmp_path / "old", state, overwrite=True)
    lost = tmp_path / "no folder" / "out.csv"
    with pytest.raises(UsageError, match="cannot be written"), written(lost, overwrite=False):
        pass


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
