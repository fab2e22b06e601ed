"""What `tamias top` makes of statuses, and how it draws them."""

from __future__ import annotations

import time
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from tamias.cli.observing.top_screen import HELP, pool_screen, worker_text
from tamias.console.top.model import ORDERS, PoolView


def worker(slot: int, seconds: float = 0.0, **more: Any) -> dict[str, Any]:
    usage = {"cpu_user": seconds, "cpu_system": 0.0, "rss": 1 << 20, "own": 1 << 19}
    return {"slot": slot, "pid": 100 + slot, "state": "ready", "usage": usage, **more}


def status(*workers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"phase": "running", "elapsed": 3.0, "events": 7, "workers": list(workers), **more}


def shown(view: PoolView, width: int = 80, height: int = 24, *, live: bool = True) -> str:
    console = Console(width=width, height=height, file=StringIO(), force_terminal=False)
    console.print(pool_screen(view, width, height, live=live))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_cpu_is_the_share_between_two_measurements() -> None:
    view = PoolView()
    view.update(status(worker(0, 1.0), worker(1, 1.0)), running=True, now=10.0)
    assert [row.cpu for row in view.rows()] == [None, None]
    view.update(status(worker(0, 1.5), worker(1, 1.0)), running=True, now=11.0)
    assert [row.cpu for row in view.rows()] == [0.5, None]
    view.update(status(worker(0, 1.5), worker(1, 1.0)), running=True, now=11.2)
    assert view.rows()[0].cpu == 0.5, "a status that is not newer changes nothing"
    view.update(status(worker(0, 1.5), worker(1, 1.0)), running=True, now=14.0)
    assert [row.cpu for row in view.rows()] == [0.0, 0.0]


def test_a_successor_in_the_slot_has_a_share_of_its_own() -> None:
    view = PoolView()
    view.update(status(worker(0, 50.0)), running=True, now=10.0)
    view.update(status({**worker(0, 0.2), "pid": 7}), running=True, now=11.0)
    assert view.rows()[0].cpu is None
    view.update(status({**worker(0, 0.4), "pid": 7}), running=True, now=12.0)
    assert view.rows()[0].cpu == pytest.approx(0.2)


@pytest.mark.parametrize("order", ORDERS)
def test_each_order_has_all_workers(order: str) -> None:
    view = PoolView()
    view.order = order
    executing = [{"offset": 1, "key": "'a'", "action": "act", "since": 5.0}]
    view.update(
        status(
            worker(0), worker(1, lag=2.0), worker(2, executing=executing), worker(3, restarts=4)
        ),
        running=True,
        now=9.0,
    )
    slots = [row.slot for row in view.rows()]
    assert sorted(slots) == [0, 1, 2, 3]
    first = {"lag": 1, "since": 2, "restarts": 3}
    assert slots[0] == first.get(order, 0)


def test_the_selection_stays_with_its_worker_and_inside_the_list() -> None:
    view = PoolView()
    view.update(status(worker(0), worker(1), worker(2)), running=True, now=1.0)
    view.move(1)
    assert view.selected == 1
    view.update(status(worker(1), worker(2)), running=True, now=2.0)
    assert view.selected == 1
    view.move(99)
    assert view.selected == 2
    view.update(status(worker(1)), running=True, now=3.0)
    assert view.selected == 1
    view.update(None, running=False, now=4.0)
    assert view.selected is None
    view.move(1)
    assert view.row() is None


@pytest.mark.parametrize("height", [8, 12, 24, 100])
def test_of_many_workers_those_around_the_selected_one_fit_the_screen(height: int) -> None:
    view = PoolView()
    view.update(status(*map(worker, range(64))), running=True, now=1.0)
    for _ in range(64):
        lines = shown(view, height=height).splitlines()
        assert len(lines) <= height
        assert any(line.split()[:1] == [str(view.selected)] for line in lines)
        view.move(1)


@pytest.mark.parametrize("width", [40, 80, 110, 200])
def test_texts_of_a_job_cannot_change_the_terminal(width: int) -> None:
    nasty = "\x1b[2J\x1b]0;title\x07\nnext\u202e"
    now = time.time()
    executing = [{"offset": 1, "key": nasty, "action": nasty, "since": now}]
    view = PoolView()
    view.update(
        status(
            worker(0, executing=executing, last_death=nasty),
            worker(1, held=nasty),
            {**worker(2), "state": "starting", "last_death": nasty},
            hot_keys=[[nasty, 3]],
            degraded=nasty,
        ),
        running=True,
        now=now,
    )
    for live in (False, True):
        text = shown(view, width, live=live)
        assert all(letter.isprintable() or letter == "\n" for letter in text)
        assert all(len(line) <= width for line in text.splitlines())


def test_a_job_at_rest_says_how_it_has_ended() -> None:
    view = PoolView()
    view.update(status(worker(0), phase="finished"), running=False, now=1.0)
    assert shown(view).splitlines()[0] == "not running: finished, 7 inputs done"
    assert view.to_json()["workers"] == []
    view.update(status(worker(0)), running=False, now=1.0)
    assert "killed" in shown(view)
    view.update(None, running=False, now=1.0)
    assert "there is no status" in shown(view)


def test_for_how_long_something_is_executed_is_as_of_the_moment_of_the_status() -> None:
    view = PoolView()
    executing = [{"offset": 1, "key": "a", "action": "act", "since": 109.98}]
    first = status(worker(0, executing=executing), started=100.0, elapsed=10.0)
    view.update(first, running=True, now=110.9)
    assert "act a for 0.0 s" in shown(view, 100)
    row = view.row()
    assert row is not None
    assert "act a for 0.0 s" in worker_text(row, 110.9, view.seen_at)


def test_a_worker_is_shown_in_full() -> None:
    view = PoolView()
    executing = [{"offset": 1, "key": "'a'", "action": "act", "since": 5.0}]
    view.update(
        status(worker(0, executing=executing, restarts=2, last_death="killed", last_death_at=3.0)),
        running=True,
        now=9.0,
    )
    row = view.row()
    assert row is not None
    text = worker_text(row, 9.0, view.seen_at)
    assert "2 restarts; 6.0 s ago: killed" in text
    assert "act 'a' for 4.0 s" in text


def test_the_help_fits_a_terminal_of_80_columns() -> None:
    assert max(map(len, HELP.splitlines())) <= 80
