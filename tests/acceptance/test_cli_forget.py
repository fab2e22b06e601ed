"""`tamias memory forget`: what it removes, what it says, and when it refuses."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from support.cli import Folder
from support.store.memory_sets import SHARDS, add, commit, item, made
from tamias.service.at_rest.requests_of_key import RequestsOfKey, forget_requests
from tamias.service.protocol.frames import FORGOTTEN_OUTCOME
from tamias.service.server.request_log import NewRequest, RequestLog, digest_of
from tamias.store.encoding.keys import GROUP, encode_key, key_prefix
from tamias.store.encoding.values import dumps
from tamias.store.records.dead_letters import DeadLetter
from tamias.store.records.journal import ACTION, journal_key
from tamias.store.records.offsets import RunKind, owned_number
from tamias.store.records.outbox import encode_outputs
from tamias.store.records.run_record import RunRecord
from tamias.store.shard.batch import Batch
from tamias.store.state.directory import StateDirectory
from tamias.store.waiting.records import OwnedRun

if TYPE_CHECKING:
    from pathlib import Path

STATE = "state"
SECRET = "likes the secret tea"


def put(state: Path, key: Any, number: int) -> None:
    """Commit short-term memory, sets and a dead letter of a key."""
    encoded = encode_key(key)
    add(state, key, "notes", item("1", f"{key} {SECRET}"), capacity=7)
    shared = item(f"of {key}", f"{key} {SECRET}", owner=encoded)
    add(state, key, "knowledge", shared, shared=True)
    batch = Batch()
    batch.put_field(key_prefix(encoded), "text", dumps(f"{key} {SECRET}"))
    batch.dead.append(DeadLetter(number, encoded, b"{}", "json", "exception", error=SECRET))
    commit(state, encoded, batch)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with the state directory of a job, and its log."""
    folder = Folder(tmp_path)
    spec = {"target": "agent.py:Counter", "config": {}, "folder": str(tmp_path)}
    files = {"input": str(tmp_path / "in.jsonl"), "output": str(tmp_path / "out.jsonl")}
    state = made(tmp_path / STATE, {"spec": {**spec, **files}})
    for number, key in enumerate(["ada", "bob", 7, "7"]):
        put(state, key, number)
    (state / "logs" / "pool.log").write_text(
        f"[worker 0, input 0, key 'ada'] {SECRET}\n[worker 0, input 0, key 'bob'] tea\n"
    )
    recorded = [
        RunRecord(
            number, encode_key(key), f"{key} {SECRET}".encode(), "json-value", 1.0, 0, "failed"
        )
        for number, key in enumerate(["ada", "bob", "ada"])
    ]
    (state / "recordings").mkdir()
    lines = b"".join(record.encode() for record in recorded)
    (state / "recordings" / "runs-0.jsonl").write_bytes(lines)
    held = [{"slot": 0, "held": f"input 3 (key 'ada'): {SECRET}"}, {"slot": 1, "held": ""}]
    failures = {"ValueError (x)": [1, 0, SECRET]}
    status = {"phase": "finished", "failures": failures, "workers": held}
    (state / "status.json").write_text(json.dumps(status))
    return folder


def forget(folder: Folder, *words: object, **more: Any) -> dict[str, Any]:
    """The report of the command."""
    done = folder.tamias("memory", "forget", STATE, "--json", "--key", *words, **more)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_a_key_is_forgotten_in_all_files(folder: Folder) -> None:
    report = forget(folder, "ada")
    assert (report["key"], report["dry_run"]) == ("ada", False)
    assert report["removed"] == {
        "fields": 1,
        "sets": 1,
        "items": 1,
        "shared_items": 1,
        "dead_letters": 1,
        "log_lines": 1,
        "recorded_runs": 2,
        "errors_in_status": 2,
    }
    assert len(report["rewritten"]) == 1
    assert {"in.jsonl", "out.jsonl", "copies", "other systems"} <= report["left"].keys()
    for path in (folder.path / STATE).rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert f"ada {SECRET}".encode() not in data, path
        assert b"sada" not in data, path
        assert b64encode(f"ada {SECRET}".encode()) not in data, path
    listed = folder.tamias("memory", "list", STATE, "--json").stdout
    assert [json.loads(line)["key"] for line in listed.splitlines()] == [None, 7, "7", "bob"]
    again = forget(folder, "ada")
    assert (again["removed"], again["rewritten"]) == ({}, {})


def test_what_a_person_sees(folder: Folder) -> None:
    done = folder.tamias("memory", "forget", STATE, "--key", "bob")
    assert done.stdout.splitlines()[0] == "bob: removed:"
    assert "  1 item of shared sets" in done.stdout
    assert "was written anew, so that the bytes are gone" in done.stdout
    assert "in.jsonl: the input of the job" in done.stderr
    done = folder.tamias("memory", "forget", STATE, "--key", "bob")
    assert done.stdout == "bob: there was nothing to remove in state\n"


def test_a_dry_run_removes_nothing_and_works_beside_a_pool(folder: Folder) -> None:
    with StateDirectory.open(folder.path / STATE, "shop:Shop", SHARDS, "process", {}):
        report = forget(folder, "ada", "--dry-run")
        assert (report["dry_run"], report["removed"]["fields"]) == (True, 1)
        refused = folder.tamias("memory", "forget", STATE, "--key", "ada", code=2)
    assert "can be forgotten while no pool runs" in refused.stderr
    assert "tamias stop state" in refused.stderr
    assert (
        "would be removed"
        in folder.tamias("memory", "forget", STATE, "--key", "ada", "--dry-run").stdout
    )
    assert forget(folder, "ada")["removed"]["fields"] == 1


def test_a_text_and_a_number_that_are_written_alike(folder: Folder) -> None:
    refused = folder.tamias("memory", "forget", STATE, "--key", "7", code=2)
    assert 'of both: "7" and 7' in refused.stderr
    assert forget(folder, "7", "--as", "json")["key"] == 7
    assert forget(folder, "7")["key"] == "7"
    assert forget(folder, "7", "--as", "text")["removed"] == {}
    refused = folder.tamias("memory", "forget", STATE, "--key", "x", "--as", "json", code=2)
    assert "no JSON" in refused.stderr


def test_errors_of_unknown_keys_make_a_key_no_other(folder: Folder) -> None:
    report = forget(folder, '"bob"', "--dry-run")
    assert (report["key"], report["removed"]["errors_in_status"]) == ("bob", 2)


def test_only_a_set_or_only_shared_items(folder: Folder) -> None:
    assert forget(folder, "ada", "--set", "other")["removed"] == {}
    assert forget(folder, "ada", "--set", "notes")["removed"] == {"sets": 1, "items": 1}
    shared = forget(folder, "ada", "--shared", "--set", "knowledge")
    assert shared["removed"] == {"shared_items": 1}
    assert "the rest of the key" in shared["left"]
    assert forget(folder, "ada")["removed"]["fields"] == 1


def test_unfinished_runs_are_left_to_the_job_unless_asked_for(folder: Folder) -> None:
    batch = Batch()
    batch.journal.append((journal_key(9, 0, ACTION, 0), b"of somebody"))
    commit(folder.path / STATE, encode_key("ada"), batch)
    refused = folder.tamias("memory", "forget", STATE, "--key", "ada", code=2)
    assert "A run is unfinished in the shard of this key" in refused.stderr
    assert "tamias resume state" in refused.stderr
    assert forget(folder, "ada", "--drop-unfinished")["removed"]["journal_records"] == 1


def test_outputs_on_their_way_to_a_file(folder: Folder) -> None:
    batch = Batch()
    lines = [b'{"key":"ada","output":1,"offset":0}\n', b'{"key":"adam","output":2,"offset":1}\n']
    batch.outbox = encode_outputs([0, 1], [1, 1], lines)
    commit(folder.path / STATE, encode_key("ada"), batch)
    assert forget(folder, "ada")["removed"]["outputs"] == 1


@pytest.mark.parametrize("killed", [False, True])
def test_submissions_to_a_service(tmp_path: Path, *, killed: bool) -> None:
    folder = Folder(tmp_path)
    state = made(tmp_path / STATE, {"service": {"target": "agent.py:Counter", "config": {}}})
    log = RequestLog.open(state / "intake", sync=False)
    log.welcome(b"client", anonymous=False, most=9)
    keys = [encode_key(key) for key in ("ada", "ada", "bob")]
    log.record(
        [
            NewRequest(1, number, digest_of(key, b""), key, SECRET.encode())
            for number, key in enumerate(keys, 1)
        ]
    )
    log.answer({0: b"\x01[1]", 2: b"\x01[2]"}, 0)
    log.close()
    refused = folder.tamias("memory", "forget", STATE, "--key", "ada", code=2)
    assert "1 submission of this key is yet to be run" in refused.stderr
    batch = Batch()
    waits = OwnedRun(RunKind.INPUT, keys[0], SECRET.encode(), begun=True)
    batch.changes_of_waiting().put(owned_number(1), waits.encode(), queued=True)
    batch.outbox = encode_outputs([0, 2], [1, 1], [b"1", b"2"])
    commit(state, keys[0], batch)
    if killed:  # between the two parts of the command
        intake = state / "intake"
        forget_requests(intake, RequestsOfKey(intake).of(keys[0]), sync=False)
    report = forget(folder, "ada")
    removed = {"waiting_runs": 1, "outputs": 1, "submissions": 2}
    if killed:
        del removed["submissions"]
    assert report["removed"] == removed
    assert {path.rpartition("/")[2] for path in report["rewritten"]} > {"intake"}
    assert "request log" in report["left"]  # the outcome of bob
    log = RequestLog.open(state / "intake", sync=False)
    outcomes = [found and found.outcome for found in log.find(1, [1, 2, 3])]
    assert outcomes == [FORGOTTEN_OUTCOME, FORGOTTEN_OUTCOME, b"\x01[2]"]
    log.close()


@pytest.mark.parametrize("words", [("--dry-run",), ()])
def test_of_a_flink_task_it_says_what_a_restore_brings_back(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    state = made(tmp_path / STATE)
    add(state, "ada", "notes", item("1", "tea"), group=3)
    report = forget(Folder(tmp_path), "ada", *words)
    assert "which a restore brings back" in report["left"]["the Flink job"]


def test_of_another_job_it_says_nothing_of_that(folder: Folder) -> None:
    assert "the Flink job" not in forget(folder, "ada", "--dry-run")["left"]


def test_a_key_of_a_flink_task_is_found_with_its_group(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    state = made(tmp_path / STATE)
    for key in ("ada", "bob"):
        add(state, key, "notes", item("1", f"{key} {SECRET}"), group=5)
        owner = GROUP + (5).to_bytes(2, "big") + encode_key(key)
        shared = item(f"of {key}", f"{key} {SECRET}", owner=owner)
        add(state, key, "knowledge", shared, shared=True, group=5)
    for more in (("--dry-run",), ("--as", "text")):
        report = forget(folder, "ada", *more)
        assert report["removed"] == {"sets": 1, "items": 1, "shared_items": 1}
        assert "the Flink job" in report["left"]
    assert forget(folder, "ada")["removed"] == {}
    assert forget(folder, "bob", "--dry-run")["removed"]["items"] == 1
