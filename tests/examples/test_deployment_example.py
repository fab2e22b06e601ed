"""The example of a deployment file: two agents, and what becomes of both."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.cli import Folder

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "deployment"


def test_both_agents_have_done_their_work(tmp_path: Path) -> None:
    for path in EXAMPLE.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    folder = Folder(tmp_path)
    folder.tamias("up", "shop.yaml")
    totals = [(line["key"], line["output"]) for line in folder.lines("totals.jsonl")]
    assert totals == [("ada", 30), ("bob", 500), ("ada", 42), ("eve", 7), ("bob", 1400)]
    assert [line["output"] for line in folder.lines("alerts.jsonl")] == [
        {"amount": 500, "alert": 1},
        {"amount": 900, "alert": 2},
    ]
    assert folder.memory("bob", "shop.state/alerts") == {"alerts": 2}
