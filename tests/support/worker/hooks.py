"""Hooks of workers for tests: one that keeps calls, one that writes to a file, one that raises."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tamias.worker.hooks import RunInfo, WorkerHook

if TYPE_CHECKING:
    from collections.abc import Callable

METHODS = [name for name in vars(WorkerHook) if not name.startswith("_")]


def plain(value: object) -> object:
    """What of an argument is the same each time, and goes into JSON."""
    if isinstance(value, RunInfo):
        return [value.offset, value.key, value.attempt]
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, float):
        return "seconds"
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, (str, int, type(None))) else type(value).__name__


def _writes(name: str) -> Callable[..., None]:
    def write(_: WorkerHook, *arguments: object) -> None:
        line = json.dumps([os.getpid(), name, *map(plain, arguments)]) + "\n"
        with open(os.environ["HOOKS_SAW"], "a") as file:  # noqa: PTH123 (one write a line)
            file.write(line)

    return write


def _raises(name: str) -> Callable[..., None]:
    def fail(_: WorkerHook, *arguments: object) -> None:
        del arguments
        raise SystemExit(f"{name} is not for me")

    return fail


def _remembers(name: str) -> Callable[..., None]:
    def remember(hook: Recorder, *arguments: object) -> None:
        hook.calls.append((name, *map(plain, arguments)))

    return remember


class Recorder(WorkerHook):
    """Keeps all calls of its methods, in a list."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []


class Writer(WorkerHook):
    """Writes a line to the file named by HOOKS_SAW for each call of its methods."""


class Evil(WorkerHook):
    """Raises in each of its methods."""


for _name in METHODS:
    setattr(Recorder, _name, _remembers(_name))
    setattr(Writer, _name, _writes(_name))
    setattr(Evil, _name, _raises(_name))
