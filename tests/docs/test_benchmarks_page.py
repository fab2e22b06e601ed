"""docs/benchmarks.md is made of the results beside it; what they say is counted rightly."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from support.house.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

EVENTS = 1000


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "scripts/benchmarks"))

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


def test_the_page_and_its_pictures_are_those_of_the_results(module: Any) -> None:
    page = module("page")
    results = json.loads((ROOT / "docs/benchmarks/results.json").read_text())
    made = page.made(results, page.PAGE.read_text())
    for path, text in made.items():
        assert path.read_text() == text, f"{path}: run scripts/bench --page"
    assert {path.name for path in page.FOLDER.glob("*.svg")} == {
        path.name for path in made if path.suffix == ".svg"
    }


def test_each_picture_is_shown_and_is_xml(module: Any) -> None:
    page = module("page")
    for path in page.FOLDER.glob("*.svg"):
        ET.parse(path)
        assert f"](benchmarks/{path.name})" in page.PAGE.read_text()


def test_each_peer_has_an_adapter_and_is_on_the_page_with_each_mode(module: Any) -> None:
    page = module("page").PAGE.read_text()
    for peer in module("peer_table").PEERS:
        assert (ROOT / f"scripts/benchmarks/peers/on_{peer.name}.py").exists()
        for mode in peer.modes:
            shown = f"- {peer.title}, {mode.title}: " in page
            assert shown or f"| {mode.title} | {mode.survives} |" in page


def test_each_row_has_a_name_of_its_own_and_a_probe(module: Any) -> None:
    rows, probes = module("rows").ROWS, module("probe").PROBES
    assert len({row.name for row in rows}) == len(rows)
    assert {probe.name for row in rows for probe in (row.probe, row.beside) if probe} <= set(probes)


def right(module: Any) -> list[dict[str, Any]]:
    keys = module("peers_run").KEYS
    return [{"key": f"key-{n % keys}", "value": n, "count": n // keys + 1} for n in range(EVENTS)]


def outcome(module: Any, found: list[dict[str, Any]]) -> tuple[int, ...]:
    told = module("peers_run").check(found, EVENTS)
    return told.lost, told.doubled, told.wrong, told.keys_wrong


def test_right_outputs_are_exact_in_any_order(module: Any) -> None:
    assert outcome(module, right(module)[::-1]) == (0, 0, 0, 0)


def test_a_missing_output_is_lost(module: Any) -> None:
    found = right(module)
    del found[5]
    assert outcome(module, found) == (1, 0, 0, 0)


def test_an_output_that_comes_twice_is_doubled(module: Any) -> None:
    found = right(module)
    assert outcome(module, [*found, found[7]]) == (0, 1, 0, 0)


def test_a_state_that_was_lost_makes_counts_and_keys_wrong(module: Any) -> None:
    found = right(module)
    for record in found:
        if record["key"] == "key-3" and record["count"] > 4:
            record["count"] -= 4
    assert outcome(module, found) == (0, 0, 4, 1)


def test_an_input_that_counts_twice_makes_counts_and_keys_wrong(module: Any) -> None:
    found = right(module)
    for record in found:
        if record["key"] == "key-3" and record["count"] >= 4:
            record["count"] += 1
    assert outcome(module, found) == (0, 0, 1, 1)


ADAPTER = """
import json, sys, time
from pathlib import Path

step, mode, folder = sys.argv[1:]
if step == "run":
    with (Path(folder) / "out.jsonl").open("a+") as out:
        out.seek(0)
        done = len(out.readlines())
        for line in (Path(folder) / "in.jsonl").read_text().splitlines()[done:]:
            number = json.loads(line)["value"]
            record = {"key": f"key-{number % 100}", "value": number, "count": number // 100 + 1}
            print(json.dumps(record), file=out, flush=True)
            time.sleep(0.01)
"""
KILLED = """
import sys
from pathlib import Path

folder = Path(sys.argv[1])
sys.path.insert(0, sys.argv[2])
import peers_run
from peer_table import Mode, Peer

peers_run.ADAPTERS = folder
sys.path.insert(0, sys.argv[2] + "/peers")
mode = Mode("slow", "slow", 200, "all")
run = peers_run.Run(Peer("slow", "Slow", "1", (mode,)), mode, 200, folder)
run.count("all", 0.3, 0.3)
print(run.killed, run.restarts, run.outcome().exact)
"""


@pytest.mark.process
def test_a_command_whose_processes_are_all_killed_is_repeated(tmp_path: Path) -> None:
    (tmp_path / "on_slow.py").write_text(ADAPTER)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path, ROOT / "scripts/benchmarks"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "2 2 True\n", done.stderr
