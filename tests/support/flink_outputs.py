"""Judges what a job with the agent of `flink_agent` has left in an exactly-once file sink."""

from __future__ import annotations

import json
import zlib
from collections import Counter, defaultdict
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


def check_exact(folder: Path, count: int, keys: int) -> None:
    """Every input has exactly one output, and each key's memory went through all of its inputs."""
    found = lines(folder)
    numbers = Counter(line["n"] for line in found)
    assert [n for n in range(count) if n not in numbers] == []
    assert {n: times for n, times in numbers.items() if times > 1} == {}
    by_key: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in found:
        by_key[line["key"]].append(line)
    assert len(by_key) == min(keys, count)
    for key, outputs in by_key.items():
        outputs.sort(key=lambda output: output["count"])
        assert [output["count"] for output in outputs] == list(range(1, len(outputs) + 1)), key
        assert [output["n"] for output in outputs] == sorted(output["n"] for output in outputs)
        digest = 0
        for output in outputs:
            digest = zlib.crc32(b"%d" % output["n"], digest)
            assert output["chain"] == digest, (key, output)
            assert output["token"] == f"{key}-{output['n']}"


def repeated_calls(path: Path) -> dict[str, int]:
    """Durable calls that were really made more than once."""
    calls = Counter(path.read_text().splitlines())
    return {call: times for call, times in calls.items() if times > 1}
