"""A disk that is really full: one clear error, no half line, and the job goes on with room."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.launcher.checkpoints import SavedCheckpoints
from tamias.agent.errors import StoreFullError, StoreUnwritableError
from tamias.launcher.delivery.checkpointed import CheckpointedDelivery
from tamias.launcher.delivery.delivery import ShardRecord
from tamias.launcher.sinks.collect import CollectSink
from tamias.launcher.sinks.jsonlines import JsonLinesSink
from tamias.store.encoding.values import dumps
from tamias.store.records.outbox import encode_outputs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tamias.launcher.delivery.sink import Sink

pytestmark = pytest.mark.process


SIZE = 256 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("mounting a small file system takes root on Linux")
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def fill(sink: Sink, records: list[bytes], saved: SavedCheckpoints) -> None:
    """One life: send everything again, as outboxes that were never trimmed do."""
    delivery = CheckpointedDelivery(sink, saved)
    delivery.open()
    try:
        for sequence, record in enumerate(records):
            delivery.accept(ShardRecord.decode(0, sequence, record))
            if sequence % 10 == 9:
                delivery.save()
        delivery.save()
    finally:
        delivery.close()


@pytest.mark.parametrize("ordered", [False, True])
def test_lines_go_on_when_there_is_room_again(disk: Path, ordered: bool) -> None:  # noqa: FBT001
    ballast, out = disk / "ballast", disk / "out.jsonl"
    ballast.write_bytes(bytes(100 * 1024))
    lines = [b'{"key":"%b","output":1,"offset":%06d}\n' % (b"x" * 964, n) for n in range(200)]
    records = [encode_outputs([n, n + 1], [1, 1], lines[n : n + 2]) for n in range(0, 200, 2)]
    saved = SavedCheckpoints()
    with pytest.raises(StoreFullError, match=r"No room to write .*make room and repeat"):
        fill(JsonLinesSink(str(out), ordered=ordered), records, saved)
    written = out.read_bytes()
    assert b"".join(lines).startswith(written)
    assert written.endswith(b"\n")
    ballast.unlink()
    fill(JsonLinesSink(str(out), ordered=ordered), records, saved)
    assert out.read_bytes() == b"".join(lines)


def test_a_spool_goes_on_when_there_is_room_again(disk: Path) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(100 * 1024))
    values = [{n: bytes(1000)} for n in range(200)]
    records = [encode_outputs([n], [1], [dumps(value)]) for n, value in enumerate(values)]
    saved = SavedCheckpoints()
    with pytest.raises(StoreFullError, match="No room"):
        fill(CollectSink(disk / "spool"), records, saved)
    ballast.unlink()
    sink = CollectSink(disk / "spool")
    fill(sink, records, saved)
    assert sink.take_results() == values


def test_a_read_only_disk_is_said(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(StoreUnwritableError, match="Read-only file system"):
        fill(JsonLinesSink(str(disk / "out.jsonl")), [], SavedCheckpoints())
