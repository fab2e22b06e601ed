"""The exit code of a program that `tamias flink-agents run` has started.

A program of Flink Agents does not ask whether inputs were set aside: there, such an input ends it.
So the command says it, by the code that all commands of tamias have for it.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from tamias.flink_agents.running import STARTED
from tamias.launcher.jobs.exit_codes import DEAD_LETTERS

if TYPE_CHECKING:
    from tamias import AgentsExecutionEnvironment

__all__ = ["note_report"]

_noted: list[int] = []
_codes: list[object] = []
"""What the program has given to `sys.exit`: at the end of the interpreter nothing knows it."""


def note_report(environment: AgentsExecutionEnvironment) -> None:
    """Remember that an environment has set inputs aside."""
    report = getattr(environment, "report", None)
    if report is not None and report.dead_letters:
        _noted.append(report.dead_letters)


def _end() -> None:
    """End with the code, unless the program has failed by itself."""
    has_failed = getattr(sys, "last_value", None) is not None or any(_codes[-1:])
    if _noted and not has_failed:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(DEAD_LETTERS)


def _exit_noted(status: object = None, /) -> NoReturn:
    """Do what `sys.exit` does, and remember the code."""
    _codes.append(status)
    raise SystemExit(status)


if STARTED in os.environ:
    sys.exit = _exit_noted
    atexit.register(_end)  # the first one, so it comes last
