"""The independent computation says what a person would, and the check sees every difference."""

from __future__ import annotations

import json
import runpy
from typing import TYPE_CHECKING, Any

import pytest

from support.flights import EXAMPLE, random_rows, row, run_program, write_data

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.flights import Row

Line = dict[str, Any]


def _expected_lines(data: Path) -> list[Line]:
    expected = runpy.run_path(str(EXAMPLE / "reference.py"))["expected"]
    return [
        {"key": key, "output": output, "offset": number}
        for number, key, outputs in expected(data / "flights.csv", data / "planes.csv")
        for output in outputs
    ]


def _check(data: Path, lines: list[Line], *more: str | Path) -> tuple[int, str]:
    output = data / "out.jsonl"
    output.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = run_program("check.py", output, "--data", data, *more)
    assert not done.stderr
    return done.returncode, done.stdout


def _alerts(data: Path, rows: list[Row]) -> list[int]:
    write_data(data, rows)
    return [line["offset"] for line in _expected_lines(data) if line["output"]["kind"] == "alert"]


def test_the_reference_on_a_few_flights(tmp_path: Path) -> None:
    rows = [
        row("N001", "16"),
        row("N001", "NA"),
        row("NA", "NA"),
        row("N001", "-3"),
        row("NA", "NA"),
    ]
    data = write_data(tmp_path, rows)
    summary = {"kind": "summary", "tailnum": "N001", "model": "737-1"}
    assert [(line["offset"], line["output"]) for line in _expected_lines(data)] == [
        (0, {**summary, "legs": 1, "cancelled": 0, "delay": 16, "recent_delay": 16}),
        (1, {**summary, "legs": 1, "cancelled": 1, "delay": 16, "recent_delay": 16}),
        (2, {"kind": "unassigned", "flights": 1}),
        (3, {**summary, "legs": 2, "cancelled": 1, "delay": 13, "recent_delay": 13}),
        (4, {"kind": "unassigned", "flights": 2}),
    ]


@pytest.mark.parametrize(
    ("delays", "alerts"),
    [
        ("16 16 16", [2]),
        ("15 16 16", []),
        ("16 16 15 16", []),
        ("16 NA 16 NA 16", [4]),
        ("16 16 16 16 16 16", [2]),
        ("16 16 16 0 16 16 16", [2, 6]),
    ],
)
def test_an_alert_at_the_third_late_departure_in_a_row(
    tmp_path: Path, delays: str, alerts: list[int]
) -> None:
    assert _alerts(tmp_path, [row("N001", delay) for delay in delays.split()]) == alerts


def test_aircraft_do_not_share_a_series(tmp_path: Path) -> None:
    assert _alerts(tmp_path, [row("N001", "50"), row("N002", "50"), row("N001", "50")]) == []


def test_the_check_accepts_the_right_lines(tmp_path: Path) -> None:
    data = write_data(tmp_path, random_rows(300, seed=1))
    code, table = _check(data, _expected_lines(data))
    assert code == 0, table
    assert "All as expected." in table


def test_the_check_accepts_another_order_between_aircraft(tmp_path: Path) -> None:
    data = write_data(tmp_path, random_rows(300, seed=2))
    lines = sorted(_expected_lines(data), key=lambda line: str(line["key"]))
    code, table = _check(data, lines)
    assert code == 0, table


def _drop(lines: list[Line]) -> None:
    del lines[50]


def _repeat(lines: list[Line]) -> None:
    lines.append(lines[50])


def _swap(lines: list[Line]) -> None:
    first = lines[50]
    other = next(index for index in range(51, 300) if lines[index]["key"] == first["key"])
    lines[50], lines[other] = lines[other], first


def _miscount(lines: list[Line]) -> None:
    last = max(index for index, line in enumerate(lines) if line["output"]["kind"] == "summary")
    lines[last]["output"]["legs"] += 1


def _shift(lines: list[Line]) -> None:
    lines[50]["offset"] += 1


@pytest.mark.parametrize(
    ("damage", "row_of_table"),
    [
        (_drop, "lines missing"),
        (_repeat, "lines repeated"),
        (_swap, "aircraft with other lines or order"),
        (_miscount, "legs"),
        (_shift, "lines unexpected"),
    ],
)
def test_the_check_sees_a_single_wrong_line(
    tmp_path: Path, damage: Callable[[list[Line]], None], row_of_table: str
) -> None:
    data = write_data(tmp_path, random_rows(300, seed=3))
    lines = _expected_lines(data)
    damage(lines)
    code, table = _check(data, lines)
    assert code == 1
    wrong = [text for text in table.splitlines() if text.endswith("WRONG")]
    assert any(text.startswith(row_of_table) for text in wrong), table


def test_the_check_sees_a_line_cut_short(tmp_path: Path) -> None:
    data = write_data(tmp_path, random_rows(50, seed=4))
    text = "".join(json.dumps(line) + "\n" for line in _expected_lines(data))
    (data / "out.jsonl").write_text(text[:-9])
    done = run_program("check.py", data / "out.jsonl", "--data", data)
    assert done.returncode == 1
    assert "lines unreadable                               0           1  WRONG" in done.stdout


def test_the_check_counts_look_ups(tmp_path: Path) -> None:
    data = write_data(tmp_path, [row("N001", "5"), row("N002", "5")])
    lines = _expected_lines(data)
    calls = tmp_path / "calls"
    calls.write_text("N001\nN002\nN001\n")
    code, table = _check(data, lines, "--calls", calls)
    assert code == 0
    assert "Look-ups made again after a kill: 1" in table
    calls.write_text("N001\n")
    assert _check(data, lines, "--calls", calls)[0] == 1
