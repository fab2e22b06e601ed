"""Order per key whatever the keys' pace, and memory that does not grow with the input."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import support.fire.run

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(support.fire.run.__file__).parent


def run(
    directory: Path, agent: str, inputs: Iterable[tuple[str, float]], **config: Any
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Outputs and report of a job whose inputs are (key, seconds to wait)."""
    directory.mkdir()
    with (directory / "in.jsonl").open("w") as lines:
        for i, (key, wait) in enumerate(inputs):
            lines.write(f'{{"key": "{key}", "value": {{"i": {i}, "wait": {wait}}}}}\n')
    spec = {
        "target": f"{HERE / 'paced_agent.py'}:{agent}",
        "input": str(directory / "in.jsonl"),
        "output": str(directory / "out.jsonl"),
        "config": {"workers": 2, **config},
    }
    plan = directory / "plan.json"
    plan.write_text(json.dumps({"spec": spec, "state": str(directory / "state")}))
    subprocess.run([sys.executable, str(HERE / "child.py"), str(plan)], check=True, timeout=90)
    outputs = map(json.loads, (directory / "out.jsonl").read_text().splitlines())
    return list(outputs), json.loads((directory / "report.json").read_text())


def test_each_key_keeps_its_order_at_its_own_pace(tmp_path: Path) -> None:
    # Every fifth key is slow, every seventh input of the others takes a moment.
    pace = [
        (f"k{i * 7 % 40}", 0.02 if i * 7 % 40 % 5 == 0 else 0.003 * (i % 7 == 0))
        for i in range(3000)
    ]
    outputs, _ = run(tmp_path / "job", "PacedAgent", pace)
    by_key: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for line in outputs:
        by_key[line["key"]].append(tuple(line["output"]))
    for key, found in by_key.items():
        offsets = [i for i, (name, _) in enumerate(pace) if name == key]
        assert found == [(i, n + 1) for n, i in enumerate(offsets)]
    order = [line["offset"] for line in outputs]
    assert order != sorted(order), "slow keys have held up quick ones"


@pytest.mark.parametrize("agent", ["QuickAgent", "PacedAgent"])
def test_the_launcher_does_not_grow_with_the_input(tmp_path: Path, agent: str) -> None:
    peaks = []
    for name, inputs in (("short", 8_000), ("long", 80_000)):
        paces = ((f"k{i % 500}", 0.5 * (i == 10)) for i in range(inputs))
        outputs, report = run(tmp_path / name, agent, paces)
        assert len(outputs) == inputs
        peaks.append(report["peak_kib"])
    assert peaks[1] - peaks[0] < 8 << 10, f"from {peaks[0]} to {peaks[1]} KiB"
