"""The exit code of a program that `tamias flink-agents run` has started.

A program of Flink Agents does not ask whether inputs were set aside: there, such an input ends it.
So the command says it, by the code that all commands of tamias have for it.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import TYPE_CHECKING

from tamias.flink_agents.running import STARTED
from tamias.launcher.jobs.exit_codes import DEAD_LETTERS

if TYPE_CHECKING:
    from tamias import AgentsExecutionEnvironment

__all__ = ["note_report"]

_noted: list[int] = []


def note_report(environment: AgentsExecutionEnvironment) -> None:
    """Remember that an environment has set inputs aside."""
    report = getattr(environment, "report", None)
    if report is not None and report.dead_letters:
        _noted.append(report.dead_letters)


def _end() -> None:
    """End with the code, unless the program has failed by itself."""
    if _noted and getattr(sys, "last_value", None) is None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(DEAD_LETTERS)


if STARTED in os.environ:
    atexit.register(_end)  # the first one, so it comes last
