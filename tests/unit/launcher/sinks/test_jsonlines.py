"""JSON lines out: whole records, no file of someone else harmed, errors that lose nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tamias.agent.errors import InputError, StoreCorruptError, StoreUnwritableError, UsageError
from tamias.launcher.delivery.done_offsets import DoneOffsets
from tamias.launcher.sinks.appendfile import OutputClosedError
from tamias.launcher.sinks.jsonlines import JsonLinesSink
from tamias.store.records.outbox import Outputs, decode_outputs, encode_outputs

if TYPE_CHECKING:
    from pathlib import Path


def record(*offsets: int, per_input: int = 1) -> Outputs:
    lines = [b"%d.%d\n" % (offset, n) for offset in offsets for n in range(per_input)]
    return decode_outputs(encode_outputs(list(offsets), [per_input] * len(offsets), lines))


def opened(path: Path | str, **options: bool) -> JsonLinesSink:
    sink = JsonLinesSink(str(path), **options)
    sink.open(None, DoneOffsets())
    return sink


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def test_a_record_is_written_as_it_is(out: Path) -> None:
    sink = opened(out)
    outputs = record(3, 1, per_input=2)
    assert sink.write(outputs, outputs.offsets) is outputs.offsets
    assert out.read_bytes() == b"3.0\n3.1\n1.0\n1.1\n"
    position = sink.position()
    assert (position["length"], position["outputs"]) == (16, 4)
    sink.close()


def test_only_fresh_inputs_are_written(out: Path) -> None:
    sink = opened(out)
    assert sink.write(record(0, 1, 2, per_input=2), [1]) == [1]
    assert out.read_bytes() == b"1.0\n1.1\n"
    sink.close()


def test_ordered_lines_wait_for_their_turn(out: Path) -> None:
    sink = opened(out, ordered=True)
    assert list(sink.write(record(2, 1), [2, 1])) == []
    assert sink.backlog > 0
    assert list(sink.write(record(1), [1])) == []  # comes again: it is here already
    assert list(sink.write(record(0, 5), [0, 5])) == [0, 1, 2]
    assert out.read_bytes() == b"0.0\n1.0\n2.0\n"
    assert list(sink.write(record(4, 3, per_input=0), [4, 3])) == [3, 4, 5]
    assert out.read_bytes() == b"0.0\n1.0\n2.0\n5.0\n"
    assert sink.backlog == 0
    assert list(sink.write(record(0, 5), [0, 5])) == []  # has gone out already
    assert sink.backlog == 0
    sink.close()


def line(offset: int) -> bytes:
    return b'{"key":"k","output":{"a":%d},"offset":%d}\n' % (offset, offset)


def written(out: Path, *offsets: int) -> dict[str, object]:
    """Write lines, the last of which the position returned does not cover."""
    sink = opened(out)
    position = sink.position()
    for offset in offsets:
        position = sink.position()
        sink.write(decode_outputs(encode_outputs([offset], [1], [line(offset)])), [offset])
    sink.close()
    return position


@pytest.mark.parametrize("cut", range(1, len(line(1)) + 1))
def test_coming_back_cuts_off_what_is_behind_the_position(out: Path, cut: int) -> None:
    position = written(out, 0, 1)
    out.write_bytes(out.read_bytes()[: len(line(0)) + cut])  # the crash came in the middle
    again = JsonLinesSink(str(out))
    again.open(position, DoneOffsets(1))
    assert out.read_bytes() == line(0)
    again.write(record(2), [2])
    assert out.read_bytes() == line(0) + b"2.0\n"
    assert again.outputs == 2
    again.close()


@pytest.mark.parametrize(
    "edited",
    [
        line(0) + line(1) + b"# checked by hand\n",
        line(0) + b"\n" + line(1),
        line(0) + b'{"key":1}\n',
        line(0) + b"{}",
        line(7) + line(1),
        b"#" + line(0)[1:],
        line(0)[:5],
    ],
)
def test_a_file_that_somebody_has_edited_is_left_alone(out: Path, edited: bytes) -> None:
    position = written(out, 0, 1)
    out.write_bytes(edited)
    with pytest.raises(InputError, match="Put the old file back"):
        JsonLinesSink(str(out)).open(position, DoneOffsets(1))
    assert out.read_bytes() == edited


def test_nothing_is_cut_off_behind_the_end_of_a_life_that_has_closed_the_file(out: Path) -> None:
    position = written(out, 0)
    whole = {**position, "length": len(line(0)), "digest": None, "closed": True}
    sink = JsonLinesSink(str(out))
    sink.open(whole, DoneOffsets(1))
    sink.close()
    assert out.read_bytes() == line(0)
    out.write_bytes(line(0) + line(1))  # as a copy of the job would
    with pytest.raises(InputError, match="has lines after byte"):
        JsonLinesSink(str(out)).open(whole, DoneOffsets(1))
    assert out.read_bytes() == line(0) + line(1)


def test_a_file_replaced_by_an_equal_one_goes_on(out: Path) -> None:
    position = written(out, 0, 1)
    content = out.read_bytes()
    out.unlink()
    out.write_bytes(content)
    JsonLinesSink(str(out)).open(position, DoneOffsets(1))
    assert out.read_bytes() == line(0)


def test_a_file_that_may_not_be_read_is_cut_as_before(out: Path) -> None:
    position = written(out, 0, 1)
    position["digest"] = None
    JsonLinesSink(str(out)).open(position, DoneOffsets(1))
    assert out.read_bytes() == line(0)


def test_a_file_that_is_not_empty_is_not_overwritten(out: Path) -> None:
    out.write_bytes(b"precious\n")
    with pytest.raises(UsageError, match=r"not empty.*--overwrite"):
        opened(out)
    assert out.read_bytes() == b"precious\n"
    opened(out, overwrite=True).close()
    assert out.read_bytes() == b""
    opened(out).close()


def test_a_shorter_file_than_recorded_is_an_error(out: Path) -> None:
    out.write_bytes(b"0.0\n")
    with pytest.raises(InputError, match="4 bytes long, but this job had written 8"):
        JsonLinesSink(str(out)).open({"length": 8, "outputs": 2}, DoneOffsets(2))
    assert out.read_bytes() == b"0.0\n"


def test_a_missing_file_is_an_error_unless_nothing_was_written(out: Path) -> None:
    with pytest.raises(InputError, match="is gone"):
        JsonLinesSink(str(out)).open({"length": 8, "outputs": 2}, DoneOffsets(2))
    assert not out.exists()
    sink = JsonLinesSink(str(out))
    sink.open({"length": 0, "outputs": 0}, DoneOffsets())
    sink.close()
    assert out.read_bytes() == b""


def test_a_senseless_position_is_an_error(out: Path) -> None:
    with pytest.raises(StoreCorruptError, match="length of the output is 'x'"):
        JsonLinesSink(str(out)).open({"length": "x"}, DoneOffsets())


def test_an_unordered_job_cannot_go_on_ordered(out: Path) -> None:
    delivered = DoneOffsets()
    delivered.add([1])
    with pytest.raises(InputError, match="begun without --ordered"):
        JsonLinesSink(str(out), ordered=True).open({"length": 0}, delivered)


def test_two_jobs_do_not_write_one_file(out: Path) -> None:
    first = opened(out)
    with pytest.raises(UsageError, match="Another job is writing"):
        opened(out)
    first.close()
    opened(out).close()


def test_paths_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"directory .*none of the output does not exist"):
        opened(tmp_path / "none" / "out")
    with pytest.raises(UsageError, match="is a directory"):
        opened(tmp_path)


def test_a_read_only_file_is_said(out: Path) -> None:
    out.write_bytes(b"")
    out.chmod(0o400)
    if os.access(out, os.W_OK):
        pytest.skip("permissions do not bind this user (root)")
    with pytest.raises(StoreUnwritableError, match="Permission denied"):
        opened(out)


def test_durable_output_is_synced(out: Path) -> None:
    sink = opened(out, sync=True)
    sink.write(record(0), [0])
    sink.flush()
    assert out.read_bytes() == b"0.0\n"
    sink.close()


def test_devices_are_written_and_never_cut() -> None:
    sink = opened("/dev/null")
    sink.write(record(0), [0])
    sink.flush()
    position = sink.position()
    assert position == {"length": None, "outputs": 1, "digest": None}
    sink.close()
    sink = JsonLinesSink("/dev/null")
    sink.open(position, DoneOffsets(1))
    assert sink.outputs == 1
    sink.close()


def test_a_full_device_is_said() -> None:
    from tamias.agent.errors import StoreFullError

    sink = opened("/dev/full")
    with pytest.raises(StoreFullError, match="Nothing is lost"):
        sink.write(record(0), [0])
    assert sink.outputs == 0
    sink.close()


def test_a_reader_that_goes_away_is_a_quiet_end(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink = opened(path)
    sink.write(record(0), [0])
    os.close(reader)
    with pytest.raises(OutputClosedError, match="went away"):
        sink.write(record(1), [1])
    sink.close()


def test_a_slow_reader_of_a_non_blocking_pipe_gets_everything(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink = opened(path)
    file = sink._opened
    os.set_blocking(file._fd, False)
    os.set_blocking(reader, True)
    received = bytearray()

    def read() -> None:
        while len(received) < 1 << 20:
            received.extend(os.read(reader, 5000))

    thread = threading.Thread(target=read)
    thread.start()
    blob = b"x" * (1 << 20)
    sink.write(decode_outputs(encode_outputs([0], [1], [blob])), [0])
    thread.join()
    assert received == blob
    sink.close()
    os.close(reader)


@pytest.mark.process
def test_standard_output_is_a_sink() -> None:
    program = """
from tamias.launcher.sinks.jsonlines import JsonLinesSink
from tamias.launcher.delivery.done_offsets import DoneOffsets
from tamias.store.records.outbox import decode_outputs, encode_outputs
sink = JsonLinesSink("-")
sink.open(None, DoneOffsets())
sink.write(decode_outputs(encode_outputs([0], [1], [b"line\\n"])), [0])
sink.close()
print(sink.position())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"line\n{'length': None, 'outputs': 1, 'digest': None}\n"
