"""Numbers on a terminal of any width are shown whole."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tamias.cli.views.deployment import AgentView, table
from tamias.cli.views.estimate import Estimate
from tamias.cli.views.fitting import FittingLine, folded
from tamias.cli.views.picture import picture
from tamias.launcher.pool.status import PoolStatus, WorkerStatus

WIDTHS = [20, 24, 31, 36, 47, 60, 72, 80, 120]
STATUS = PoolStatus(
    pid=1,
    started=0.0,
    phase="running",
    elapsed=100.0,
    fraction=0.4,
    events=1_234_567,
    outputs=2_345_678,
    rate=12_345.6,
    retries=1_047,
    requeued=3_456,
    deaths=1_234,
    dead_letters=1_201,
    workers=[WorkerStatus(0, 123_456, "ready", 1_003, 4_096, 123_456, active=17)],
)
WHOLE = {
    *("1,234,567", "2,345,678", "12,346", "1,047", "3,456", "1,234", "1,201"),
    *("0", "1", "123456", "17", "127,535", "1,003", "1003", "36", "1:40"),
}


def shown(thing: Any, width: int) -> str:
    console = Console(width=width, file=StringIO(), highlight=False, soft_wrap=True)
    console.print(thing)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    return text


@pytest.mark.parametrize("width", WIDTHS)
def test_the_picture_of_a_job_shows_whole_numbers(width: int) -> None:
    estimate = Estimate()
    estimate.update(STATUS)
    text = shown(picture(STATUS, estimate, "agent:Counter", 20), width)
    assert set(re.findall(r"[\d,:]*\d", text)) <= WHOLE
    assert {"1,234,567", "2,345,678", "1,201"} <= set(re.findall(r"[\d,]*\d", text))


@pytest.mark.parametrize("width", WIDTHS[4:])
def test_the_table_of_a_deployment_shows_whole_numbers(width: int) -> None:
    agent = AgentView("counter", state="running", status=STATUS, pid=1)
    agent.estimate.update(STATUS)
    text = shown(table([agent], 20), width)
    assert "1,234,567" in text
    assert set(re.findall(r"[\d,:]*\d", text)) <= {*WHOLE, "1/1"}


def test_a_text_is_broken_between_its_parts_only() -> None:
    assert folded("[123456,123456,123456]", 15) == ["[123456,123456,", "123456]"]
    assert folded("one 22222 333", 9) == ["one 22222 ", "333"]
    assert "".join(folded("[1, 2, [3, 4]] and more", 5)) == "[1, 2, [3, 4]] and more"
    assert folded("123456789", 4) == ["123456789"]
    assert folded("", 4) == [""]


@pytest.mark.parametrize("parts", [["one", "two", "three"], ["one"], ["a" * 50]])
def test_a_line_in_a_table_is_as_wide_as_its_text(parts: list[str]) -> None:
    row = Table.grid()
    row.add_row("name ", FittingLine(map(Text, parts)))
    assert shown(row, 400) == f"name {', '.join(parts)}\n"
