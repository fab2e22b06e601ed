"""The request log keeps what it was told, through reopening, and no longer than it has to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tamias.launcher.delivery.source import Position
from tamias.service.server.handoff import Handoff
from tamias.service.server.request_log import ClientRecord, NewRequest, RequestLog, digest_of
from tamias.service.server.source import RequestSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def request_log(tmp_path: Path) -> Iterator[RequestLog]:
    request_log = RequestLog.open(tmp_path / "intake", sync=False)
    yield request_log
    request_log.close()


def entries(client: int, *sequences: int) -> list[NewRequest]:
    return [
        NewRequest(client, number, digest_of(b"sk", b"%d" % number), b"sk", b"%d" % number)
        for number in sequences
    ]


def come(request_log: RequestLog, name: bytes, most: int = 100) -> ClientRecord:
    client = request_log.welcome(name, anonymous=False, most=most)
    assert client is not None
    return client


def test_submissions_are_there_after_reopening(tmp_path: Path) -> None:
    request_log = RequestLog.open(tmp_path / "intake", sync=True)
    client = come(request_log, b"\0a").number
    assert request_log.record(entries(client, 1, 2)) == 0
    request_log.close()
    request_log = RequestLog.open(tmp_path / "intake", sync=True)
    try:
        assert come(request_log, b"\0a") == (client, 0, 2)
        assert request_log.read(0, 10) == [(b"sk", b"1", None), (b"sk", b"2", None)]
        assert request_log.read(1, 10) == [(b"sk", b"2", None)]
        assert request_log.record(entries(client, 3)) == 2
        assert list(request_log.unanswered()) == [(n, client, n + 1, 3) for n in range(3)]
    finally:
        request_log.close()


def test_an_offset_is_never_given_twice_even_after_all_inputs_are_deleted(tmp_path: Path) -> None:
    request_log = RequestLog.open(tmp_path / "intake", sync=False)
    client = come(request_log, b"\0a").number
    request_log.record(entries(client, 1, 2))
    request_log.answer({0: b"\x01[]", 1: b"\x01[]"}, 2)
    assert request_log.read(0, 10) == []
    request_log.close()
    request_log = RequestLog.open(tmp_path / "intake", sync=False)
    try:
        assert request_log.first == 2
        assert request_log.record(entries(client, 3)) == 2
    finally:
        request_log.close()


def test_an_input_whose_run_waits_is_kept_until_it_has_an_outcome(request_log: RequestLog) -> None:
    client = come(request_log, b"\0a").number
    request_log.record(entries(client, 1, 2, 3, 4))
    request_log.answer({0: b"\x01[1]", 2: b"\x01[3]"}, 3)
    assert [offset for offset, *_ in request_log.unanswered()] == [1, 3]
    request_log.answer({}, 3)
    assert request_log.key_of(1) == b"sk"
    assert request_log.key_of(0) is None
    request_log.answer({1: b"\x01[2]", 3: b"\x01[4]"}, 3)
    assert [call and call.outcome for call in request_log.find(client, [1, 2, 3, 4])] == [
        b"\x01[1]",
        b"\x01[2]",
        b"\x01[3]",
        b"\x01[4]",
    ]
    request_log.answer({}, 4)
    assert [request_log.key_of(offset) for offset in range(4)] == [None] * 4


def test_outcomes_stay_until_they_are_acknowledged(request_log: RequestLog) -> None:
    client = come(request_log, b"\0a").number
    request_log.record(entries(client, 1, 2, 3))
    request_log.answer({0: b"\x01[1]", 2: b"\x01[3]"}, 0)
    found = request_log.find(client, [1, 2, 3, 4])
    assert [call and call.outcome for call in found] == [b"\x01[1]", b"", b"\x01[3]", None]
    request_log.record((), {client: 1})
    assert [call and call.outcome for call in request_log.find(client, [1, 2])] == [None, b""]
    assert come(request_log, b"\0a") == (client, 1, 3)
    assert request_log.kept == {client: 2}


def test_an_outcome_of_what_was_acknowledged_before_is_dropped(request_log: RequestLog) -> None:
    client = come(request_log, b"\0a").number
    request_log.record(entries(client, 1))
    request_log.record((), {client: 1})
    request_log.answer({0: b"\x01[1]"}, 0)
    assert request_log.find(client, [1]) == [None]


def test_the_oldest_outcomes_go_when_there_are_too_many(request_log: RequestLog) -> None:
    client = come(request_log, b"\0a").number
    other = come(request_log, b"\0b").number
    request_log.record(entries(client, 1, 2, 3, 4) + entries(other, 1))
    request_log.answer({0: b"\x01", 1: b"\x01", 3: b"\x01"}, 0)
    assert request_log.trim(client, 3) == 1
    assert request_log.trim(client, 0) == 2  # the third waits, and holds up the fourth
    assert request_log.trim(client, 0) is None
    assert come(request_log, b"\0a") == (client, 2, 4)
    assert request_log.kept == {client: 2, other: 1}


def test_clients_that_were_not_seen_for_long_are_forgotten(request_log: RequestLog) -> None:
    first, second, third = (come(request_log, b"\0" + name).number for name in (b"a", b"b", b"c"))
    request_log.record(entries(first, 1) + entries(second, 1) + entries(third, 1))
    request_log.answer({0: b"\x01[]", 1: b"\x01[]"}, 0)
    request_log.expire(time.time() + 1, present={second})
    assert [request_log.find(client, [1])[0] is None for client in (first, second, third)] == [
        True,
        False,
        False,  # it still waits for its outcome
    ]
    assert come(request_log, b"\0a").number not in (first, second, third)


def test_a_client_that_leaves_for_good_leaves_nothing(request_log: RequestLog) -> None:
    client = come(request_log, b"\0a").number
    request_log.record(entries(client, 1), leaving=[(b"\0a", client)])
    assert request_log.find(client, [1]) == [None]
    assert request_log.read(0, 10) == [(b"sk", b"1", None)]  # it is run all the same
    assert come(request_log, b"\0a").number != client


def test_no_more_clients_than_there_may_be(request_log: RequestLog) -> None:
    come(request_log, b"\0a", 1)
    assert request_log.welcome(b"\0b", anonymous=False, most=1) is None
    come(request_log, b"\0a", 1)


def test_reading_goes_on_behind_inputs_that_are_deleted_while_others_wait(
    request_log: RequestLog,
) -> None:
    client = come(request_log, b"\0a").number
    request_log.record(entries(client, *range(1, 11)))
    outcomes = dict.fromkeys((0, 2, 3, 5, 6), b"\x01[]")
    request_log.answer(outcomes, 7)  # 1 and 4 wait
    assert request_log.first == 1
    handoff = Handoff()
    try:
        source = RequestSource(request_log, handoff)
        source.seek(Position(6))  # as an earlier checkpoint has it
        found: dict[int, bytes] = {}
        for _ in range(4):
            offset = source.position.offset
            found |= {offset + n: value for n, (_, value, _) in enumerate(source.read(2))}
        assert found == {offset: b"%d" % (offset + 1) for offset in (7, 8, 9)}
        source = RequestSource(request_log, handoff)
        found.clear()
        for _ in range(8):
            offset = source.position.offset
            found |= {offset + n: value for n, (_, value, _) in enumerate(source.read(5))}
        assert found == {offset: b"%d" % (offset + 1) for offset in (1, 4, 7, 8, 9)}
        assert source.position.offset == 10
    finally:
        handoff.close()
