"""A worker that sends what it cannot have sent is killed, and nothing else changes."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from support.launcher.listening import Launcher
from tamias.agent.errors import StoreCorruptError
from tamias.launcher.dispatch.instructions import SendItems
from tamias.store.encoding.keys import shard_of
from tamias.store.encoding.values import dumps
from tamias.store.records.offsets import RunKind, derived_number, owned_number
from tamias.store.records.outbox import encode_outputs
from tamias.worker import wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEARTBEAT: dict[str, Any] = {
    "active": 0,
    "totals": {},
    "failures": {},
    "notices": {},
    "metrics": {"numOfEventProcessed": 0},
    "last": False,
}


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    """Worker 0 has input 0, of shard 0; worker 1 has input 1, of shard 1."""
    with ExitStack() as stack:
        launcher = Launcher(tmp_path, stack)
        launcher.send_input(0, shard=0)
        launcher.send_input(1, shard=1)
        yield launcher


NOTHING_WAITS = {"runs": 0, "inputs": 0, "timers": 0, "questions": 0, "next": None}
TIMER = derived_number(RunKind.TIMER, b"t")
NOTICE = derived_number(RunKind.NOTICE, b"n")
KEYS = [next(key for n in range(99) if shard_of(key := b"%d" % n, 2) == shard) for shard in (0, 1)]
"""A key of each shard."""


def done(
    shard: int,
    sequence: int,
    offsets: list[int],
    kind: bytes = wire.DONE,
    *,
    failed: Any = (),
    suspended: Any = (),
) -> bytes:
    values = [dumps({"k": 1})] * len(offsets)
    record = encode_outputs(offsets, [1] * len(offsets), values, failed=failed, suspended=suspended)
    return wire.pack_done([(shard, sequence, record)], kind)


def heartbeat(**changes: Any) -> bytes:
    return wire.pack(wire.METRICS, {**HEARTBEAT, **changes})


def asking(*asks: Any, ends: Any = (), usage: Any = None) -> bytes:
    body = {"asks": list(asks), "ends": list(ends), "usage": usage or {}}
    return wire.pack(wire.ADMIT, body)


ROUTE = [0, "api", 10, 0]
ASK = [1, 0, 5.0, "", [ROUTE]]

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no message of the kind b''"),
    "of an unknown kind": (b"?x", "no message of the kind"),
    "cut short": (b"D\x05", "cannot be decoded"),
    "of a launcher": (wire.STOP, "no message of the kind"),
    "that counts too many records": (b"D" + b"\xff" * 16, "cannot be decoded"),
    "with records cut short": (done(0, 1, [0])[:-2], "cannot be decoded"),
    "with junk as a record": (wire.pack_done([(0, 1, b"junk")]), "cannot be decoded"),
    "of a shard that does not exist": (done(99, 1, [0]), "of shard 99 that it was not sent"),
    "of another worker's shard": (done(1, 1, [0]), "of shard 1 that it was not sent"),
    "of another worker's input": (done(0, 1, [1]), "of shard 0 that it was not sent"),
    "of another worker's input and shard": (done(1, 1, [1]), "that it was not sent"),
    "of an input that nobody has read": (done(0, 1, [7]), "that it was not sent"),
    "of one input twice": (done(0, 1, [0, 0]), "one of them twice"),
    "without an input": (done(0, 1, []), "no inputs"),
    "of an input of negative size": (done(0, 1, [2**64 - 1]), "too large"),
    "of a failure that is not in it": (done(0, 1, [0], failed=[1]), "a failed input"),
    "out of sequence": (done(0, 2, [0]), "record 2 of shard 0 after record 0"),
    "of a sequence far away": (done(0, 2**63, [0]), "too large"),
    "of a suspended input that is not in it": (
        done(0, 1, [0], suspended=[1]),
        "a suspended input",
    ),
    "of a notice of another worker's shard": (done(1, 1, [NOTICE]), "that it was not sent"),
    "of a timer that it was not sent": (done(0, 1, [TIMER]), "that it was not sent"),
    "with a notice, and an input of another shard": (
        done(0, 1, [NOTICE, 1]),
        "that it was not sent",
    ),
    "that asks for a permit for another shard": (
        asking([1, 1, 5.0, "", [ROUTE]]),
        "for a shard that it has not",
    ),
    "that asks for a permit for no shard": (
        asking([1, 99, 5.0, "", [ROUTE]]),
        "for a shard that it has not",
    ),
    "that asks twice for one call": (asking(ASK, ASK), "out of order"),
    "that asks for no route": (asking([1, 0, 5.0, "", []]), "another form"),
    "that asks since never": (asking([1, 0, float("nan"), "", [ROUTE]]), "another form"),
    "that asks for fewer than no tokens": (
        asking([1, 0, 5.0, "", [[0, "api", -1, 0]]]),
        "another form",
    ),
    "that reports an end without words": (asking(ends=[[1, 0, None, 0, 0]]), "another form"),
    "that reports use of another shard": (
        asking(usage={"1": {"api": [1, 1]}}),
        "for a shard that it has not",
    ),
    "that reports use in words": (asking(usage={"0": {"api": ["much", 0]}}), "another form"),
    "that reports use of no shard": (asking(usage={"all": {}}), "another form"),
    "of nothing that is due": (wire.pack_due([], []), "is empty"),
    "of due runs, cut short": (wire.pack_due([TIMER], [KEYS[0]])[:9], "cannot be decoded"),
    "of one due run twice": (wire.pack_due([TIMER] * 2, [KEYS[0]] * 2), "one of them twice"),
    "of a due run that is an input": (wire.pack_due([3], [KEYS[0]]), "the number of a due run"),
    "of a notice that is due": (wire.pack_due([NOTICE], [KEYS[0]]), "the number of a due run"),
    "of a due run with a large number": (
        wire.pack_due([TIMER | 1 << 63], [KEYS[0]]),
        "the number of a due run",
    ),
    "of a due run of another worker's shard": (
        wire.pack_due([TIMER], [KEYS[1]]),
        "of shard 1, which it has not",
    ),
    "of too many due runs": (
        wire.pack_due(
            [owned_number(n) for n in range(wire.MOST_DUE + 1)], [KEYS[0]] * (wire.MOST_DUE + 1)
        ),
        "due runs at once",
    ),
    "that counts what waits in words": (heartbeat(waiting={"runs": "many"}), "another form"),
    "that waits for a moment that is none": (
        heartbeat(waiting={**NOTHING_WAITS, "next": float("nan")}),
        "another form",
    ),
    "that shards without numbers are at rest": (
        wire.pack(wire.AT_REST, {"round": 1, "shards": {"x": NOTHING_WAITS}}),
        "another form",
    ),
    "of an answer without a name": (
        wire.pack(wire.ANSWERED, {"id": None, "error": None}),
        "another form",
    ),
    "that it has halted, unasked": (wire.pack(wire.HALTED, {}), "was not asked to"),
    "found later than at its start": (done(0, 1, [0], wire.FOUND), "announced records"),
    "that is not JSON": (b"M{", "not JSON"),
    "that is nested deeply": (b"M" + b"[" * 200_000, "not JSON"),
    "that is no object": (b"M[]", "another form"),
    "that is not UTF-8": (b'M{"active": "\xff"}', "not JSON"),
    "that counts in words": (heartbeat(active="many"), "another form"),
    "that counts totals in words": (heartbeat(totals={"failures": "many"}), "another form"),
    "that counts without end": (heartbeat(totals={"failures": float("inf")}), "another form"),
    "with failures of another form": (heartbeat(failures={"x": 1}), "another form"),
    "without metrics": (heartbeat(metrics={}), "another form"),
    "that it is ready again": (wire.pack(wire.READY, {"shards": [0]}), "ready already"),
    "that it has taken what it was not asked to": (
        wire.pack(wire.TAKEN, {"shard": 1}),
        "taken shard 1",
    ),
    "that it has taken a shard without a number": (wire.pack(wire.TAKEN, {"shard": []}), "form"),
    "of a failure that it cannot have": (
        wire.pack(
            wire.FAILED, {"action": "a", "offset": 1, "key": "k", "error": "", "traceback": ""}
        ),
        "the failure of an input that it was not sent",
    ),
    "of a failure that does not end the job": (
        wire.pack(
            wire.FAILED, {"action": "a", "offset": 0, "key": "k", "error": "", "traceback": ""}
        ),
        "a failure that does not end this job",
    ),
    "of an end without a reason": (wire.pack(wire.FATAL, {"type": 5}), "another form"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_worker_is_killed_for_a_message(launcher: Launcher, name: str) -> None:
    message, text = BAD[name]
    launcher.hear(0, message)
    assert launcher.worker(0).is_rejected
    assert text in launcher.worker(0).killed_for
    launcher.hear(0, done(0, 1, [0]))  # what it sends from now on is ignored
    assert launcher.failures == []
    assert launcher.delivery.events == 0
    assert launcher.dispatcher.in_flight(0) == launcher.dispatcher.in_flight(1) == 1
    launcher.hear(1, done(1, 1, [1]))  # the other one goes on
    assert not launcher.worker(1).is_rejected
    assert (launcher.delivery.events, launcher.dispatcher.in_flight(1)) == (1, 0)


def test_a_worker_is_killed_for_what_is_no_message(launcher: Launcher) -> None:
    os.write(launcher.connections[0].fileno(), b"printed by a library")
    launcher.hear(1, heartbeat())
    assert "no message" in launcher.worker(0).killed_for
    assert not launcher.worker(1).is_rejected


def test_what_workers_do_send_is_accepted(launcher: Launcher) -> None:
    launcher.hear(0, heartbeat())
    launcher.hear(0, done(0, 1, [0], failed=[0]))
    launcher.send_input(2, shard=0)
    launcher.hear(0, done(0, 2, [2]))
    assert not launcher.worker(0).is_rejected
    assert launcher.delivery.events == 2


def test_due_runs_are_sent_back_and_reported(launcher: Launcher) -> None:
    launcher.hear(0, wire.pack_due([owned_number(0), TIMER], [KEYS[0]] * 2))
    (send,) = launcher.tick(SendItems)
    assert [item.offset for item in send.items] == [owned_number(0), TIMER]
    assert not launcher.dispatcher.idle
    launcher.hear(0, wire.pack_due([TIMER], [KEYS[0]]))  # again
    assert launcher.tick(SendItems) == []
    launcher.hear(0, done(0, 1, [NOTICE, TIMER, owned_number(0), 0], suspended=[owned_number(0)]))
    assert not launcher.worker(0).is_rejected
    assert launcher.dispatcher.in_flight(0) == 0
    launcher.hear(0, heartbeat(waiting={**NOTHING_WAITS, "runs": 1, "next": 12.5}))
    launcher.hear(1, wire.pack(wire.AT_REST, {"round": 1, "shards": {"1": NOTHING_WAITS}}))
    assert not launcher.worker(0).is_rejected
    assert not launcher.worker(1).is_rejected


def test_due_runs_of_a_shard_that_leaves_are_dropped(launcher: Launcher) -> None:
    launcher.hear(0, wire.pack_due([TIMER], [KEYS[0]]))
    launcher.dispatcher.move(0, 1, at_once=True)
    assert launcher.tick(SendItems) == []
    launcher.hear(0, wire.pack_due([owned_number(7)], [KEYS[0]]))  # it does not know yet
    assert not launcher.worker(0).is_rejected
    assert launcher.tick(SendItems) == []


@pytest.mark.parametrize(
    ("body", "ends"),
    [
        ({"type": "StoreFullError"}, False),  # there is room
        ({"type": "StoreUnwritableError"}, False),
        ({"type": "StoreError", "own_cause": "its RLIMIT_FSIZE was changed to 1"}, False),
        ({"type": "MemoryError"}, False),
        ({"type": "LeaseHeldError"}, False),
        ({"type": "ConfigError"}, False),
        ({"type": "StoreCorruptError"}, True),
        ({"type": "FencedError"}, True),
    ],
)
def test_only_what_another_worker_would_meet_too_ends_the_job(
    launcher: Launcher, *, body: dict[str, str], ends: bool
) -> None:
    launcher.hear(0, wire.pack(wire.FATAL, {"message": "trouble", "hint": "", **body}))
    assert bool(launcher.failures) is ends
    assert launcher.worker(0).is_rejected is not ends
    assert launcher.worker(0).killed_for.startswith("could not go on: ") is not ends


def test_a_full_disk_ends_the_job(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher.registry, "state", launcher.registry.state / "gone")
    launcher.hear(0, wire.pack(wire.FATAL, {"type": "StoreFullError", "message": "", "hint": ""}))
    assert launcher.failures


def test_damage_that_a_worker_reports_is_an_error_of_the_store(launcher: Launcher) -> None:
    body = {"type": "StoreCorruptError", "message": "damaged", "hint": "Restore."}
    launcher.hear(0, wire.pack(wire.FATAL, body))
    assert isinstance(launcher.failures[0], StoreCorruptError)
