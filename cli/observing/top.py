"""`tamias top`: shows a pool and its workers, live."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from ...agent.config.values import parse_duration
from ...agent.errors import StoreError, TamiasError, UsageError
from ...console.profiles.collecting import Wanted, ask_workers, joined
from ...console.profiles.table import as_table
from ...console.stacks.collecting import stacks_of
from ...console.top.model import ORDERS, PoolView
from ...launcher.control.client import send_request
from ...store.state.directory import StateDirectory
from ..text import output_console, printable, write_line
from .keyboard import keyboard
from .top_screen import HELP, pool_screen, worker_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, RenderableType

    from ...store.state.directory import StateView

_PROFILE_SECONDS: Final = 5.0
_KEY_SECONDS: Final = 0.1
_ONCE_SECONDS: Final = 1.2
"""Between two statuses, from which shares of CPU time are made."""


def top(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    *,
    once: Annotated[bool, typer.Option("--once", help="Show it once, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Once, as JSON.")] = False,
    interval: Annotated[
        str, typer.Option("--interval", metavar="T", help="How often to look.")
    ] = "1",
    sort: Annotated[str, typer.Option("--sort", metavar="BY", help=", ".join(ORDERS))] = "worker",
) -> int:
    """Show a pool and what each worker does now. Press ? for the keys."""
    every = _seconds(interval)
    if sort not in ORDERS:
        raise UsageError(f"--sort {sort} is unknown.", hint=f"Known: {', '.join(ORDERS)}.")
    with StateDirectory.view(state) as view:
        pool = PoolView()
        pool.order = sort
        console = output_console()
        if once or as_json or not (console.is_terminal and sys.stdin.isatty()):
            _look_twice(view, pool)
            if as_json:
                write_line(json.dumps(pool.to_json()))
            else:
                console.print(pool_screen(pool, console.width, console.height, live=False))
            return 0
        _Session(state, view, pool, every, console).run()
    return 0


def _seconds(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--interval {text}: {error}") from error
    if not 0.1 <= seconds <= 3600:
        raise UsageError(f"--interval {text} is not possible: 0.1 s to an hour.")
    return seconds


def _update(view: StateView, pool: PoolView) -> None:
    running = view.launcher_pid() is not None
    pool.update(view.status(), running=running, now=time.time())


def _look_twice(view: StateView, pool: PoolView) -> None:
    """Two statuses make a rate."""
    _update(view, pool)
    if pool.running:
        time.sleep(_ONCE_SECONDS)
        _update(view, pool)


class _Session:
    """The screen and its keys, until the user quits."""

    def __init__(
        self, state: Path, view: StateView, pool: PoolView, every: float, console: Console
    ) -> None:
        self._state = state
        self._view = view
        self._pool = pool
        self._every = every
        self._console = console
        self._work = ThreadPoolExecutor(1, "tamias-top")
        self._asked: Future[str] | None = None
        self._note = ""
        self._text = ""
        """What is shown instead of the workers; empty for these."""
        self._line = 0
        """The first line of that text that is shown."""
        self._followed: int | None = None
        """The slot of the worker whose page is that text, which goes with each status."""
        self._swap: int | None = None
        """The slot that is swapped if the next key is y."""

    def run(self) -> None:
        """Show, and carry out what keys say."""
        due = 0.0
        with (
            keyboard() as read,
            Live(console=self._console, screen=True, auto_refresh=False) as live,
        ):
            while True:
                if time.monotonic() >= due:
                    due = time.monotonic() + self._every
                    self._refresh()
                self._take_answer()
                live.update(self._screen(), refresh=True)
                key = read(_KEY_SECONDS)
                if key == "q" and not self._text:
                    break
                if key:
                    self._press(key)
        self._work.shutdown(wait=False, cancel_futures=True)

    def _refresh(self) -> None:
        try:
            _update(self._view, self._pool)
        except StoreError as error:
            self._note = str(error)
        row = self._pool.row()
        if row is not None and row.slot == self._followed:
            self._text = worker_text(row, time.time(), self._pool.seen_at)

    def _screen(self) -> RenderableType:
        width, height = self._console.size
        if not self._text:
            return pool_screen(self._pool, width, height, live=True, note=self._note)
        lines = self._text.splitlines()
        self._line = min(max(0, self._line), max(0, len(lines) - (height - 1)))
        shown = lines[self._line : self._line + height - 1]
        more = f", line {self._line + 1} of {len(lines)}" if len(lines) > len(shown) else ""
        return Group(
            *(Text(printable(line), no_wrap=True, overflow="ellipsis") for line in shown),
            Text(f"up, down to move; q or escape to go back{more}", style="dim"),
        )

    # -- keys ---------------------------------------------------------------------------------

    def _press(self, key: str) -> None:
        if self._text:
            if self._followed is None or key not in _FOR_WORKER:
                self._press_in_text(key)
                return
            self._leave_text()
        if self._swap is not None:
            slot, self._swap = self._swap, None
            if key == "y":
                self._ask(f"worker {slot} is being replaced", lambda: self._swapped(slot))
            else:
                self._note = "nothing was replaced"
            return
        pool = self._pool
        self._note = ""
        if key in _MOVES:
            pool.move(_MOVES[key])
        elif key == "s":
            names = list(ORDERS)
            self._sort(names[(names.index(pool.order) + 1) % len(names)])
        elif key in _SORTS:
            self._sort(_SORTS[key])
        elif key == "?":
            self._show(HELP)
        elif key == "enter" or key in _FOR_WORKER:
            self._press_for_worker(key)

    def _press_in_text(self, key: str) -> None:
        if key in ("q", "escape", "enter"):
            self._leave_text()
        elif key in _MOVES:
            self._line += _MOVES[key]
        elif key == " ":
            self._line += _MOVES["page down"]

    def _press_for_worker(self, key: str) -> None:
        row = self._pool.row()
        if row is None:
            self._note = "there are no workers"
        elif key == "enter":
            self._show(worker_text(row, time.time(), self._pool.seen_at))
            self._followed = row.slot
        elif key == "x":
            self._swap = row.slot
            self._note = f"replace worker {row.slot} by a fresh one? y or n"
        elif key == "t":
            self._ask(f"asking worker {row.slot}", lambda: self._stacks(row.slot))
        else:
            self._ask(f"sampling worker {row.slot} for 5 s", lambda: self._profile(row.slot))

    def _sort(self, order: str) -> None:
        self._pool.order = order
        self._note = f"ordered by {order}"

    def _show(self, text: str) -> None:
        self._text, self._line, self._followed = text, 0, None

    def _leave_text(self) -> None:
        self._text, self._followed = "", None

    # -- what takes a while -------------------------------------------------------------------

    def _ask(self, note: str, work: Callable[[], str]) -> None:
        if self._asked is not None:
            self._note = "wait for the answer to what was asked before"
            return
        self._note = note
        self._asked = self._work.submit(work)

    def _take_answer(self) -> None:
        if self._asked is None or not self._asked.done():
            return
        asked, self._asked = self._asked, None
        self._note = ""
        try:
            found = asked.result()
        except TamiasError as error:
            self._note = str(error)
            return
        if "\n" in found:
            self._show(found)
        else:
            self._note = found

    def _stacks(self, slot: int) -> str:
        return "\n".join(each.text() for each in stacks_of(self._view, slot))

    def _profile(self, slot: int) -> str:
        found = ask_workers(self._view, Wanted(_PROFILE_SECONDS, 100.0, slot))
        if not found.stretches:
            return f"worker {slot} has not answered: {found.silent.get(slot, '')}"
        return as_table(joined(found.stretches, "wall"), f"worker {slot}, 5 s")

    def _swapped(self, slot: int) -> str:
        send_request(self._state, "swap", {"slot": slot})
        return f"worker {slot} was replaced"


_MOVES: Final = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -10, "page down": 10}
_FOR_WORKER: Final = ("t", "p", "x")
"""Keys that do something with the selected worker, also on its page."""
_SORTS: Final = {"c": "cpu", "m": "memory", "l": "lag"}
