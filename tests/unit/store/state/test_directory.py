from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from support.processes import line, python
from tamias.agent.errors import (
    ForeignStoreError,
    StoreCorruptError,
    StoreError,
    StoreFormatError,
    StoreLockedError,
)
from tamias.store.shard.shard import Shard
from tamias.store.state.directory import StateDirectory

OPEN = """
import sys
from tamias.store.state.directory import StateDirectory
directory = StateDirectory.open(sys.argv[1], "m:A", 4, "process", {})
print("open", flush=True)
sys.stdin.readline()
"""


def opened(path: Path, agent: str = "m:A", **job: Any) -> StateDirectory:
    return StateDirectory.open(path, agent, 4, "process", job)


def edit(path: Path, **changes: Any) -> None:
    file = path / "tamias.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


class TestCreation:
    def test_a_missing_directory_is_made_with_its_parents(self, tmp_path: Path) -> None:
        with opened(tmp_path / "a" / "b", target="m.py:A") as directory:
            assert directory.path == tmp_path / "a" / "b"
            assert directory.manifest.agent == "m:A"
            assert directory.manifest.shards == 4
            assert directory.manifest.durability == "process"
            assert directory.manifest.job == {"target": "m.py:A"}
            assert directory.layout.shard(3) == directory.path / "shards" / "03"
            assert directory.layout.logs.is_dir()
            assert directory.progress.load() is None

    def test_an_empty_directory_will_do(self, tmp_path: Path) -> None:
        opened(tmp_path).close()
        opened(tmp_path).close()

    def test_what_a_death_while_creating_left_is_no_obstacle(self, tmp_path: Path) -> None:
        (tmp_path / "launcher.lock").write_text("12345\n")
        (tmp_path / "tamias.json.new").write_text('{"forma')
        opened(tmp_path).close()

    def test_a_foreign_directory_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").touch()
        with pytest.raises(StoreFormatError, match=r"not empty: it holds thesis\.tex\. Choose"):
            opened(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_a_file_is_not_a_directory(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for path in (tmp_path / "file", tmp_path / "file" / "below"):
            with pytest.raises(StoreError, match=r"[Nn]ot a directory"):
                opened(path)

    def test_destroy_leaves_nothing(self, tmp_path: Path) -> None:
        directory = opened(tmp_path / "state")
        directory.progress.save({"done": 1})
        Shard.acquire(directory.layout.shard(0), 0).close()
        directory.destroy()
        assert list(tmp_path.iterdir()) == []
        opened(tmp_path / "state").destroy()


class TestOpeningAgain:
    def test_number_of_shards_and_job_are_kept(self, tmp_path: Path) -> None:
        opened(tmp_path, a=1).close()
        with StateDirectory.open(tmp_path, "m:A", 99, "process", {"b": 2}) as directory:
            assert directory.manifest.shards == 4
            assert directory.manifest.job == {"a": 1}
            directory.save_job({"c": 3})
            assert directory.manifest.job == {"c": 3}
        with opened(tmp_path) as directory:
            assert directory.manifest.job == {"c": 3}

    def test_durability_follows_the_last_wish(self, tmp_path: Path) -> None:
        opened(tmp_path).close()
        StateDirectory.open(tmp_path, "m:A", 4, "machine", {}).close()
        with StateDirectory.view(tmp_path) as view:
            assert view.manifest.durability == "machine"

    def test_progress_and_status_are_kept(self, tmp_path: Path) -> None:
        with opened(tmp_path) as directory:
            directory.progress.save({"done": 1})
            directory.progress.save({"done": 2, "shards": {"0": [1, 2]}})
            directory.write_status({"rate": 5})
        with opened(tmp_path) as directory:
            assert directory.progress.load() == {"done": 2, "shards": {"0": [1, 2]}}
            assert directory.status() == {"rate": 5}


class TestRefusal:
    def test_another_agents_directory(self, tmp_path: Path) -> None:
        opened(tmp_path).close()
        with pytest.raises(ForeignStoreError, match="belongs to the agent m:A, not to m:B"):
            opened(tmp_path, "m:B")
        opened(tmp_path).close()

    def test_a_newer_format(self, tmp_path: Path) -> None:
        opened(tmp_path).close()
        edit(tmp_path, format=2, tamias="9.9", agent={"new": "form"})
        for attempt in (opened, StateDirectory.view):
            with pytest.raises(StoreFormatError, match=r"format 2, written by tamias 9\.9"):
                attempt(tmp_path)

    @pytest.mark.parametrize("content", ["", "{", "[]", '"x"', "{}", '{"format": 1}', "\udcff"])
    def test_a_damaged_manifest(self, tmp_path: Path, content: str) -> None:
        opened(tmp_path).close()
        (tmp_path / "tamias.json").write_bytes(content.encode("utf-8", "surrogateescape"))
        for attempt in (opened, StateDirectory.view):
            with pytest.raises(StoreCorruptError, match=r"tamias\.json .*Restore"):
                attempt(tmp_path)

    @pytest.mark.parametrize(
        "changes", [{"durability": "?"}, {"shards": 0}, {"shards": "4"}, {"job": []}, {"format": 0}]
    )
    def test_a_manifest_that_makes_no_sense(self, tmp_path: Path, changes: dict[str, Any]) -> None:
        opened(tmp_path).close()
        edit(tmp_path, **changes)
        with pytest.raises(StoreCorruptError, match=r"tamias\.json makes no sense"):
            opened(tmp_path)

    def test_a_second_launcher_in_this_process(self, tmp_path: Path) -> None:
        with opened(tmp_path):
            with pytest.raises(StoreLockedError, match=f"in use by process {os.getpid()}"):
                opened(tmp_path)
            # For another agent the error names the agent, not the lock.
            with pytest.raises(ForeignStoreError):
                opened(tmp_path, "m:B")
        opened(tmp_path).close()

    @pytest.mark.process
    def test_a_second_launcher_in_another_process(self, tmp_path: Path) -> None:
        with python(OPEN, tmp_path) as other:
            assert line(other) == "open"
            with pytest.raises(StoreLockedError, match=f"in use by process {other.pid}.*end it"):
                opened(tmp_path)
            with StateDirectory.view(tmp_path) as view:
                assert view.launcher_pid() == other.pid
            other.send_signal(signal.SIGKILL)
            other.wait()
            opened(tmp_path).close()


class TestViewing:
    @pytest.mark.parametrize("name", ["missing", "file", "empty"])
    def test_only_state_directories(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "file").touch()
        (tmp_path / "empty").mkdir()
        with pytest.raises(StoreFormatError, match=f"{name} is not a state directory"):
            StateDirectory.view(tmp_path / name)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file"]

    def test_what_is_meant_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "out [1]").touch()
        opened(tmp_path / "out [1].tamias").close()
        for name in ("out [1]", ""):
            with pytest.raises(StoreFormatError) as raised:
                StateDirectory.view(tmp_path / name)
            assert raised.value.hint == f"Did you mean {tmp_path / 'out [1].tamias'}?"
        opened(tmp_path / "other").close()
        with pytest.raises(StoreFormatError) as raised:
            StateDirectory.view(tmp_path)
        assert raised.value.hint.startswith(f"There are: {tmp_path / 'other'}, ")

    def test_beside_the_launcher_of_the_same_process(self, tmp_path: Path) -> None:
        with opened(tmp_path) as directory, StateDirectory.view(tmp_path) as view:
            assert view.launcher_pid() == os.getpid()
            assert view.progress.load() is None
            directory.progress.save({"done": 1})
            assert view.progress.load() == {"done": 1}
            with pytest.raises(StoreError, match="opened for reading"):
                view.progress.save({"done": 2})
            view.close()
            directory.progress.save({"done": 3})
        with StateDirectory.view(tmp_path) as view:
            assert view.launcher_pid() is None
            assert view.progress.load() == {"done": 3}

    def test_before_the_first_progress(self, tmp_path: Path) -> None:
        opened(tmp_path).close()
        for file in (tmp_path / "progress").iterdir():
            file.unlink()
        with pytest.raises(StoreCorruptError, match="The progress log is empty"):
            StateDirectory.view(tmp_path)
        edit(tmp_path, complete=False)  # the launcher died before it had made all parts
        with StateDirectory.view(tmp_path) as view:
            assert view.progress.load() is None
            assert view.status() is None


def test_damaged_progress_is_an_error(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (tmp_path / "progress" / "data.mdb").write_bytes(b"junk" * 5000)
    with pytest.raises(StoreCorruptError, match="progress is damaged"):
        opened(tmp_path)
    # The failed attempt holds nothing.
    with pytest.raises(StoreCorruptError):
        opened(tmp_path)


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/s\xff"))
    for attempt in (opened, StateDirectory.view):
        with pytest.raises(StoreError, match="cannot be a state directory: its name is not UTF-8"):
            attempt(path)


class TestErrorsWhileInUse:
    def test_a_directory_that_is_gone(self, tmp_path: Path) -> None:
        path = tmp_path / "state"
        with opened(path) as directory:
            path.rename(tmp_path / "elsewhere")
            with (
                pytest.raises(StoreError, match="state is gone: it was moved or deleted while"),
                directory.named_errors(),
            ):
                directory.write_status({})
            (tmp_path / "elsewhere").rename(path)
        opened(path).close()

    def test_a_file_in_it_that_cannot_be_used(self, tmp_path: Path) -> None:
        with opened(tmp_path) as directory:
            directory.layout.beacons.mkdir(parents=True)
            with (
                pytest.raises(StoreError, match=r"beacons cannot be used: Is a directory\."),
                directory.named_errors(),
            ):
                directory.layout.beacons.write_bytes(b"")

    def test_other_errors_are_passed_on(self, tmp_path: Path) -> None:
        with (
            opened(tmp_path / "state") as directory,
            pytest.raises(FileNotFoundError),
            directory.named_errors(),
        ):
            (tmp_path / "missing").read_bytes()
