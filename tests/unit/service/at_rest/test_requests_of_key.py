"""The submissions of one key in a request log: found, forgotten, and answered so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tamias.service.at_rest.requests_of_key import RequestsOfKey, forget_requests, is_marked
from tamias.service.protocol.frames import FORGOTTEN_OUTCOME, outcome_of_outputs
from tamias.service.server.request_log import NewRequest, RequestLog, digest_of
from tamias.store.at_rest.forgetting import rewritten
from tamias.store.encoding.keys import encode_key

if TYPE_CHECKING:
    from pathlib import Path

ADA, BOB = encode_key("ada"), encode_key("bob")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A request log with four submissions of two keys, one of each answered."""
    path = tmp_path / "intake"
    opened = RequestLog.open(path, sync=False)
    opened.welcome(b"client", anonymous=False, most=9)
    opened.record(
        [
            NewRequest(1, number, digest_of(key, b""), key, b'"secret of %b"' % key)
            for number, key in enumerate((ADA, BOB, ADA, BOB), 1)
        ]
    )
    opened.answer({0: outcome_of_outputs([b'"of ada"']), 1: outcome_of_outputs([b'"of bob"'])}, 0)
    opened.close()
    return path


def test_submissions_of_a_key(log: Path) -> None:
    requests = RequestsOfKey(log)
    assert [(one.offset, one.is_answered) for one in requests.of(ADA)] == [(0, True), (2, False)]
    assert requests.of(encode_key("nobody")) == []
    assert requests.key_of(3) == BOB
    assert requests.key_of(4) is None
    assert requests.key_of(1 << 64) is None
    assert requests.outcomes() == 2


def test_forgotten_submissions_have_an_outcome_that_says_so(log: Path) -> None:
    forget_requests(log, RequestsOfKey(log).of(ADA), sync=False)
    assert is_marked(log)
    assert RequestsOfKey(log).of(ADA) == []
    assert RequestsOfKey(log).outcomes() == 1
    rewritten(log)
    assert not is_marked(log)
    data = (log / "data.mdb").read_bytes()
    assert b"secret of sada" not in data
    assert b"of ada" not in data
    assert b"secret of sbob" in data
    opened = RequestLog.open(log, sync=False)
    outcomes = [found and found.outcome for found in opened.find(1, [1, 2, 3, 4])]
    assert outcomes == [
        FORGOTTEN_OUTCOME,
        outcome_of_outputs([b'"of bob"']),
        FORGOTTEN_OUTCOME,
        b"",
    ]
    assert [record[0] for record in opened.read(opened.first, 9)] == [BOB]
    assert opened.following == 4
    opened.close()


def test_there_need_be_no_request_log(tmp_path: Path) -> None:
    assert RequestsOfKey(tmp_path).of(ADA) == []
    assert RequestsOfKey(tmp_path).outcomes() == 0
    assert not is_marked(tmp_path)
