"""Outputs as a Python list: what cannot be decoded costs nothing but itself."""

from __future__ import annotations

import pickle
import sys
from typing import TYPE_CHECKING, Any

import cloudpickle
import pytest

from tamias import UnserializableError
from tamias.launcher.sinks.collect import CollectSink
from tamias.store.records.outbox import Outputs, decode_outputs, encode_outputs

if TYPE_CHECKING:
    from pathlib import Path


class Leaving:
    """It ends the process that reads it."""

    def __reduce__(self) -> Any:
        return sys.exit, (3,)


def outputs(values: dict[int, list[bytes]]) -> Outputs:
    counts = [len(each) for each in values.values()]
    joined = [output for each in values.values() for output in each]
    return decode_outputs(encode_outputs(list(values), counts, joined))


GOOD = {offset: [pickle.dumps({"k": offset})] for offset in range(10)}


@pytest.mark.parametrize("spooled", [False, True])
@pytest.mark.parametrize(
    "bad",
    [
        pickle.dumps(Leaving()),
        b"\x80\x05cno_such_module\nName\n.",
        pickle.dumps({"k": 1})[:-3],
    ],
    ids=["leaving", "missing", "damaged"],
)
def test_the_others_are_in_the_list(tmp_path: Path, bad: bytes, spooled: bool) -> None:  # noqa: FBT001
    sink = CollectSink(tmp_path / "spool" if spooled else None)
    sink.open(None, None)  # type: ignore[arg-type]
    record = outputs({**GOOD, 4: [*GOOD[4], bad], 7: [bad]})
    sink.write(record, record.offsets)
    position = sink.position()
    sink.close()
    if spooled:
        sink = CollectSink(tmp_path / "spool")
        sink.open(position, None)  # type: ignore[arg-type]
        sink.close()
    assert sink.take_results() == [{"k": offset} for offset in range(10) if offset != 7]
    with pytest.raises(UnserializableError, match=r"2 of 11 outputs .* the first of input 4"):
        sink.check_readable()


def test_code_of_another_python_costs_nothing_but_itself() -> None:
    sink = CollectSink(foreign=True)
    local = cloudpickle.dumps({"k": lambda: 1})
    record = outputs({**GOOD, 3: [local]})
    sink.write(record, record.offsets)
    assert len(sink.take_results()) == 9
    with pytest.raises(UnserializableError, match="was pickled by value, as compiled code"):
        sink.check_readable()


def test_nothing_is_wrong_where_all_can_be_read() -> None:
    sink = CollectSink()
    record = outputs(GOOD)
    sink.write(record, record.offsets)
    sink.check_readable()
    assert len(sink.take_results()) == 10
