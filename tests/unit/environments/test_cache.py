"""Made once, never met half-made, removed only when nobody uses it: with processes that die."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path
from typing import Any

import pytest

from support.processes import forked, line, python
from tamias import EnvironmentSetupError
from tamias.environments.cache import Cache

BUILD = """
import sys, time
from pathlib import Path
from tamias.environments.cache import Cache

def build(folder, lock):
    (folder / "first").write_text("first")
    print("building", flush=True)
    sys.stdin.readline()
    (folder / "second").write_text("second")
    return {"by": sys.argv[2]}

entry = Cache(Path(sys.argv[1])).obtain("env-1", build)
names = sorted(path.name for path in entry.folder.iterdir())
print("found", entry.record["by"], *names, flush=True)
sys.stdin.readline()
"""


def _whole(folder: Path, _lock: int) -> dict[str, Any]:
    (folder / "file").write_text("whole")
    return {"by": "whole"}


def _names(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


def test_it_is_made_once_and_found_again(tmp_path: Path) -> None:
    made = []

    def build(folder: Path, lock: int) -> dict[str, Any]:
        made.append(folder)
        return _whole(folder, lock)

    first = Cache(tmp_path).obtain("env-1", build)
    again = Cache(tmp_path).obtain("env-1", build)
    other = Cache(tmp_path).obtain("env-2", build)
    assert made == [first.folder, other.folder]
    assert again.folder == first.folder
    assert (again.folder / "file").read_text() == "whole"
    assert again.record == {"by": "whole"}


@pytest.mark.process
def test_two_builders_at_once_make_one_whole_entry(tmp_path: Path) -> None:
    with python(BUILD, tmp_path, "a") as one, python(BUILD, tmp_path, "b") as two:
        # Whoever comes first builds, and the other waits: it says nothing until that is done.
        ready = _first_to_speak(one, two)
        assert line(ready) == "building"
        ready.stdin.write("\n")
        ready.stdin.flush()
        by = "a" if ready is one else "b"
        assert line(one if ready is two else two) == f"found {by} first second"
        assert line(ready) == f"found {by} first second"


def _first_to_speak(*processes: Any) -> Any:
    ready, _, _ = select.select([process.stdout for process in processes], [], [])
    return next(process for process in processes if process.stdout in ready)


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_dead_builder_leaves_is_cleared_by_the_next(
    tmp_path: Path, number: signal.Signals
) -> None:
    with python(BUILD, tmp_path, "dead") as process:
        assert line(process) == "building"
        process.send_signal(number)
        process.wait()
    assert list(Cache(tmp_path).entries()) == []
    half = [name for name in _names(tmp_path) if name.startswith("env-1-")]
    assert len(half) == 1
    entry = Cache(tmp_path).obtain("env-1", _whole)
    assert _names(entry.folder) == {"file"}
    assert _names(tmp_path) == {"env-1.json", "env-1.lock", entry.folder.name}


@pytest.mark.process
def test_pruning_clears_what_a_dead_builder_leaves_too(tmp_path: Path) -> None:
    with python(BUILD, tmp_path, "dead") as process:
        assert line(process) == "building"
        assert not Cache(tmp_path).remove("env-1")  # it is alive
        process.kill()
        process.wait()
    cache = Cache(tmp_path)
    assert cache.names() == ["env-1"]
    assert cache.remove("env-1")
    assert _names(tmp_path) == set()


def test_other_files_in_the_folder_are_not_removed(tmp_path: Path) -> None:
    (tmp_path / "my-data").mkdir()
    (tmp_path / "notes-2024.txt").touch()
    cache = Cache(tmp_path)
    cache.obtain("env-1", _whole)
    assert cache.names() == ["env-1"]
    assert cache.remove("env-1")
    assert _names(tmp_path) == {"my-data", "notes-2024.txt"}


def test_a_builder_that_fails_leaves_nothing_and_touches_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    other = cache.obtain("env-2", _whole)

    def fails(folder: Path, _lock: int) -> dict[str, Any]:
        (folder / "half").write_text("half")
        raise EnvironmentSetupError("no such package")

    with pytest.raises(EnvironmentSetupError, match="no such package"):
        cache.obtain("env-1", fails)
    assert _names(tmp_path) == {"env-1.lock", "env-2.json", "env-2.lock", other.folder.name}
    assert cache.obtain("env-1", _whole).record == {"by": "whole"}


@pytest.mark.process
def test_what_is_in_use_is_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.obtain("env-1", _whole)
    with python(BUILD, tmp_path, "user") as process:
        assert line(process) == "found whole file"
        assert cache.in_use("env-1")
        assert not cache.remove("env-1")
        process.kill()
        process.wait()
    assert not cache.in_use("env-1")
    assert cache.remove("env-1")
    assert list(cache.entries()) == []


def test_it_is_in_use_as_long_as_the_entry_exists(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    entry = cache.obtain("env-1", _whole)
    assert cache.in_use("env-1")
    del entry
    assert not cache.in_use("env-1")


@pytest.mark.process
def test_a_child_that_is_forked_does_not_outlive_the_use(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    entry = cache.obtain("env-1", _whole)
    with forked(lambda tell: (tell(), signal.pause())) as child:  # type: ignore[arg-type,func-returns-value]
        child.await_signals(1)
        assert entry.lock is not None
        entry.lock.release()
        assert not cache.in_use("env-1")


def test_an_entry_that_was_removed_by_hand_is_made_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    first = cache.obtain("env-1", _whole).folder
    (first / "file").unlink()
    first.rmdir()
    assert list(cache.entries()) == []
    assert (cache.obtain("env-1", _whole).folder / "file").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EnvironmentSetupError, match="cannot be used: Permission denied"):
        Cache(tmp_path / "inside").obtain("env-1", _whole)


def test_a_file_in_the_place_of_the_cache_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(EnvironmentSetupError, match="cannot be used"):
        Cache(tmp_path / "cache").obtain("env-1", _whole)
