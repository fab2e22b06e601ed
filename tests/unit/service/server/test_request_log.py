"""The ledger keeps what it was told, through reopening, and no longer than it has to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tamias.service.server.request_log import ClientRecord, NewRequest, RequestLog, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[RequestLog]:
    ledger = RequestLog.open(tmp_path / "intake", sync=False)
    yield ledger
    ledger.close()


def entries(client: int, *sequences: int) -> list[NewRequest]:
    return [
        NewRequest(client, number, digest_of(b"sk", b"%d" % number), b"sk", b"%d" % number)
        for number in sequences
    ]


def come(ledger: RequestLog, name: bytes, most: int = 100) -> ClientRecord:
    client = ledger.welcome(name, anonymous=False, most=most)
    assert client is not None
    return client


def test_submissions_are_there_after_reopening(tmp_path: Path) -> None:
    ledger = RequestLog.open(tmp_path / "intake", sync=True)
    client = come(ledger, b"\0a").number
    assert ledger.record(entries(client, 1, 2)) == 0
    ledger.close()
    ledger = RequestLog.open(tmp_path / "intake", sync=True)
    try:
        assert come(ledger, b"\0a") == (client, 0, 2)
        assert ledger.read(0, 10) == [(b"sk", b"1", None), (b"sk", b"2", None)]
        assert ledger.read(1, 10) == [(b"sk", b"2", None)]
        assert ledger.record(entries(client, 3)) == 2
        assert list(ledger.unanswered()) == [(n, client, n + 1, 3) for n in range(3)]
    finally:
        ledger.close()


def test_offsets_are_never_given_twice_though_all_inputs_are_gone(tmp_path: Path) -> None:
    ledger = RequestLog.open(tmp_path / "intake", sync=False)
    client = come(ledger, b"\0a").number
    ledger.record(entries(client, 1, 2))
    ledger.answer({0: b"\x01[]", 1: b"\x01[]"}, 2)
    assert ledger.read(0, 10) == []
    ledger.close()
    ledger = RequestLog.open(tmp_path / "intake", sync=False)
    try:
        assert ledger.first == 2
        assert ledger.record(entries(client, 3)) == 2
    finally:
        ledger.close()


def test_outcomes_stay_until_they_are_acknowledged(ledger: RequestLog) -> None:
    client = come(ledger, b"\0a").number
    ledger.record(entries(client, 1, 2, 3))
    ledger.answer({0: b"\x01[1]", 2: b"\x01[3]"}, 0)
    found = ledger.find(client, [1, 2, 3, 4])
    assert [call and call.outcome for call in found] == [b"\x01[1]", b"", b"\x01[3]", None]
    ledger.record((), {client: 1})
    assert [call and call.outcome for call in ledger.find(client, [1, 2])] == [None, b""]
    assert come(ledger, b"\0a") == (client, 1, 3)
    assert ledger.kept == {client: 2}


def test_an_outcome_of_what_was_acknowledged_before_is_dropped(ledger: RequestLog) -> None:
    client = come(ledger, b"\0a").number
    ledger.record(entries(client, 1))
    ledger.record((), {client: 1})
    ledger.answer({0: b"\x01[1]"}, 0)
    assert ledger.find(client, [1]) == [None]


def test_the_oldest_outcomes_go_when_there_are_too_many(ledger: RequestLog) -> None:
    client = come(ledger, b"\0a").number
    other = come(ledger, b"\0b").number
    ledger.record(entries(client, 1, 2, 3, 4) + entries(other, 1))
    ledger.answer({0: b"\x01", 1: b"\x01", 3: b"\x01"}, 0)
    assert ledger.trim(client, 3) == 1
    assert ledger.trim(client, 0) == 2  # the third waits, and holds up the fourth
    assert ledger.trim(client, 0) is None
    assert come(ledger, b"\0a") == (client, 2, 4)
    assert ledger.kept == {client: 2, other: 1}


def test_clients_that_were_not_seen_for_long_are_forgotten(ledger: RequestLog) -> None:
    first, second, third = (come(ledger, b"\0" + name).number for name in (b"a", b"b", b"c"))
    ledger.record(entries(first, 1) + entries(second, 1) + entries(third, 1))
    ledger.answer({0: b"\x01[]", 1: b"\x01[]"}, 0)
    ledger.expire(time.time() + 1, present={second})
    assert [ledger.find(client, [1])[0] is None for client in (first, second, third)] == [
        True,
        False,
        False,  # it still waits for its outcome
    ]
    assert come(ledger, b"\0a").number not in (first, second, third)


def test_a_client_that_leaves_for_good_leaves_nothing(ledger: RequestLog) -> None:
    client = come(ledger, b"\0a").number
    ledger.record(entries(client, 1), leaving=[(b"\0a", client)])
    assert ledger.find(client, [1]) == [None]
    assert ledger.read(0, 10) == [(b"sk", b"1", None)]  # it is run all the same
    assert come(ledger, b"\0a").number != client


def test_no_more_clients_than_there_may_be(ledger: RequestLog) -> None:
    come(ledger, b"\0a", 1)
    assert ledger.welcome(b"\0b", anonymous=False, most=1) is None
    come(ledger, b"\0a", 1)
