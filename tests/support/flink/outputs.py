"""Judges what a job of `support.flink.agent` has left in an exactly-once file sink."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def lines(folder: Path) -> list[dict[str, Any]]:
    """All committed lines; part files in progress have names that begin with a dot."""
    return [
        json.loads(line)
        for path in sorted(folder.rglob("part-*"))
        if not path.name.startswith(".")
        for line in path.read_text().splitlines()
    ]


def check_exact(folder: Path, keys: int, count: int | None = None) -> int:
    """Each key's memory went through its inputs in order, and each has exactly one output.

    Numbers go to the keys in turn. Without `count` the job was ended somewhere in the middle: then
    each key may be at another place, but has no gap. Returns the number of outputs.
    """
    by_key: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines(folder):
        by_key[line["key"]].append(line)
    assert set(by_key) <= {f"key-{number}" for number in range(keys)}
    for key, outputs in by_key.items():
        outputs.sort(key=lambda output: output["count"])
        first = int(key.removeprefix("key-"))
        numbers = [output["n"] for output in outputs]
        assert numbers == list(range(first, first + keys * len(numbers), keys)), key
        assert [output["count"] for output in outputs] == list(range(1, len(outputs) + 1)), key
        digest = 0
        for output in outputs:
            digest = zlib.crc32(b"%d" % output["n"], digest)
            assert output["chain"] == digest, (key, output)
            assert output["token"] == f"{key}-{output['n']}"
    total = sum(len(outputs) for outputs in by_key.values())
    if count is not None:
        assert total == count
    return total


def calls(path: Path) -> dict[str, list[float]]:
    """When each durable call was really made, in seconds since the epoch."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for line in path.read_text().splitlines():
        call, _, at = line.rpartition(" ")
        times[call].append(float(at))
    return dict(times)
