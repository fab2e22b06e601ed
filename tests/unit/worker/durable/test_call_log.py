"""The log of durable calls as a machine of its own: claiming, numbering, diverging, forgetting."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamias import DivergenceError, DurableCallError, MemoryAccessError
from tamias.worker.durable.call_log import (
    CallLog,
    CallRecord,
    durable_section,
    inside_durable_call,
    is_recordable,
)
from tamias.worker.durable.fingerprint import CallIdentity


def made(log: CallLog, name: str, result: Any = None, *, own: bool = True) -> CallRecord:
    """A call that is not on record, made and recorded."""
    assert log.claim(CallIdentity(name.encode())) is None
    return log.record(log.issue(name, CallIdentity(name.encode()), own=own), result)


def test_a_record_survives_the_journal() -> None:
    record = made(CallLog("act"), "pay", {"paid": 1}, own=False)
    copy = CallRecord.decode(record.number, record.encode())
    assert copy == record
    assert copy.resolve() == {"paid": 1}


@given(st.lists(st.sampled_from("abc"), max_size=8), st.data())
def test_calls_in_a_row_replay_up_to_any_crash(names: list[str], data: st.DataObject) -> None:
    log = CallLog("act")
    records = [made(log, name, position) for position, name in enumerate(names)]
    crash = data.draw(st.integers(0, len(names)))
    replay = CallLog("act", data.draw(st.permutations(records[:crash])))
    for position, name in enumerate(names):
        record = replay.claim(CallIdentity(name.encode()))
        assert (record is not None) is (position < crash)
        if record is None:
            record = made(replay, name, position)
        assert record.resolve() == position
        assert record.number == position
    replay.end()


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=8), st.data())
def test_concurrent_calls_replay_whichever_had_been_answered(
    names: list[str], data: st.DataObject
) -> None:
    """Siblings issue their calls in one order, finish in another, and the crash takes some."""
    log = CallLog("act")
    issued = [log.issue(name, CallIdentity(name.encode()), own=False) for name in names]
    answered = data.draw(st.lists(st.sampled_from(issued), unique=True))
    replay = CallLog("act", [ticket.succeeded(ticket.name) for ticket in answered])
    waiting = data.draw(st.permutations(names))
    made_again = 0
    for name in waiting:
        assert not replay.is_divergence(own=False)
        record = replay.claim(CallIdentity(name.encode()))
        if record is None:
            made_again += 1
            record = made(replay, name, name, own=False)
        assert record.resolve() == name
    assert made_again == len(names) - len(answered)
    replay.end()


def test_numbers_are_never_given_twice() -> None:
    log = CallLog("act")
    records = [made(log, name) for name in "abcd"]
    replay = CallLog("act", [records[1], records[3]])
    replay.claim(CallIdentity(b"b"))
    replay.claim(CallIdentity(b"d"))
    assert [made(replay, name).number for name in "acef"] == [0, 2, 4, 5]


def test_what_the_action_itself_calls_diverges_at_once() -> None:
    log = CallLog("act")
    records = [made(log, "a"), made(log, "b")]
    replay = CallLog("act", records)
    assert replay.claim(CallIdentity(b"a")) is not None
    assert replay.claim(CallIdentity(b"other")) is None
    assert replay.replaying
    assert replay.is_divergence(own=True)
    assert not replay.is_divergence(own=False)
    error = replay.divergence("module.other")
    assert "'act'" in str(error)
    assert "durable call 1" in str(error)
    assert "b is on record" in str(error)
    assert "module.other" in str(error)


def test_records_that_are_left_over_are_a_divergence() -> None:
    replay = CallLog("act", [made(CallLog("act"), "a")])
    with pytest.raises(DivergenceError, match="a is on record, but the action ended"):
        replay.end()


def test_further_calls_after_the_records_are_none() -> None:
    replay = CallLog("act", [made(CallLog("act"), "a")])
    replay.claim(CallIdentity(b"a"))
    assert not replay.replaying
    assert made(replay, "b").number == 1
    replay.end()


def test_a_result_that_cannot_be_recorded_fails_the_action_for_good() -> None:
    log = CallLog("act")
    with pytest.raises(DurableCallError, match="a cannot be put on record"):
        log.record(log.issue("a", CallIdentity(b"a")), threading.Lock())
    with pytest.raises(DurableCallError, match="cannot be put on record"):
        log.end()


class UnpicklableError(Exception):
    def __reduce__(self) -> Any:
        raise TypeError("not me")


class LopsidedError(Exception):
    """Pickles, and cannot be rebuilt."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


@pytest.mark.parametrize("error", [UnpicklableError("too hot"), LopsidedError(1, 2)], ids=repr)
def test_exceptions_that_do_not_pickle_are_told_in_words(error: Exception) -> None:
    log = CallLog("act")
    record = log.issue("oven", CallIdentity(b"oven")).failed(error)
    with pytest.raises(DurableCallError, match=r"oven raised .*(too hot|1 and 2)"):
        record.resolve()
    first = log.error_of(record, error)
    assert isinstance(first, DurableCallError)
    assert first.__cause__ is error


def test_exceptions_that_do_are_raised_as_they_are() -> None:
    log = CallLog("act")
    error = ValueError("odd", 3)
    record = log.issue("a", CallIdentity(b"a")).failed(error)
    assert log.error_of(record, error) is error
    with pytest.raises(ValueError, match="odd") as caught:
        log.replay(CallRecord.decode(record.number, record.encode()))
    assert caught.value.args == ("odd", 3)


def test_what_says_nothing_about_the_call_is_not_recorded() -> None:
    assert is_recordable(ValueError())
    assert is_recordable(TimeoutError())
    for kind in (KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit):
        assert not is_recordable(kind())
    assert not is_recordable(MemoryAccessError("its use, not its outcome"))


# -- forgetting before a retry ------------------------------------------------------------------


def failed(log: CallLog, name: str, error: Exception, *, own: bool = True) -> CallRecord:
    record = log.issue(name, CallIdentity(name.encode()), own=own).failed(error)
    assert log.error_of(record, error) is error
    return record


def test_the_call_that_an_action_failed_of_is_forgotten() -> None:
    log = CallLog("act")
    log.mark_answered(made(log, "a"))
    error = ValueError()
    record = failed(log, "b", error)
    assert log.failed_calls(error) == {record.number}
    outer = RuntimeError()
    outer.__cause__ = error
    assert log.failed_calls(outer) == {record.number}
    assert log.failed_calls(RuntimeError()) == set()


def test_a_call_whose_failure_led_to_further_calls_is_not() -> None:
    log = CallLog("act")
    error = ValueError()
    failed(log, "b", error)
    log.mark_answered(made(log, "fallback"))
    assert log.failed_calls(error) == set()


def test_of_concurrent_calls_the_failed_ones_are() -> None:
    log = CallLog("act")
    first, second = ValueError(), KeyError()
    numbers = {failed(log, "a", first, own=False).number}
    log.mark_answered(made(log, "b", own=False))
    numbers.add(failed(log, "c", second, own=False).number)
    second.__context__ = first
    assert log.failed_calls(second) == numbers


def test_a_replayed_failure_can_be_forgotten_too() -> None:
    record = failed(CallLog("act"), "a", ValueError())
    log = CallLog("act", [record])
    claimed = log.claim(CallIdentity(b"a"))
    assert claimed is not None
    with pytest.raises(ValueError) as caught:
        log.replay(claimed)
    assert log.failed_calls(caught.value) == {record.number}


# -- knowing where one is -----------------------------------------------------------------------


def test_being_inside_follows_threads_and_tasks() -> None:
    async def child() -> bool:
        await asyncio.sleep(0)
        return inside_durable_call()

    async def main() -> list[bool]:
        with durable_section():
            tasks = [asyncio.create_task(child()), asyncio.ensure_future(child())]
            thread = asyncio.to_thread(inside_durable_call)
            found = [inside_durable_call(), await thread]
        return [*found, *await asyncio.gather(*tasks), await child()]

    assert asyncio.run(main()) == [True, True, True, True, False]
    assert not inside_durable_call()
