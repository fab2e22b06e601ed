"""Profiles of memory: what workers allocate while memray tracks them, in bytes by stack.

Each worker tracks itself and writes a file of memray's, which is read here. It has two sums: what
was allocated since the beginning and is *held* at the end, and what there was at the *peak*.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...agent.errors import MissingExtraError, UsageError
from ...worker.profiling.profile import Frame, Profile
from ...worker.profiling.sampler import ACTION
from ..workers.asking import ask, workers_of
from ..workers.frames import begins_action

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...store.state.directory import StateView
    from ...worker.profiling.profile import Stack
    from ...worker.profiling.recording import Request

__all__ = ["MEMORY_MODES", "TrackedMemory", "profile_of_file", "track_memory"]

MEMORY_MODES: Final = ("held", "peak")
_HINT: Final = "Install it for the workers: pip install 'tamias[profile]'"


class TrackedMemory(NamedTuple):
    """What workers have tracked.

    Attributes:
        files: memray's files, by slot.
        silent: the workers of which there is nothing, and why.
    """

    files: dict[int, Path]
    silent: dict[int, str]


def track_memory(
    view: StateView,
    folder: Path,
    *,
    seconds: float,
    worker: int | None = None,
    native: bool = False,
    waiting: Callable[[float], None] | None = None,
) -> TrackedMemory:
    """Have workers track what they allocate, and move their files into a folder.

    While they do, their Python code takes about twice as long.

    Raises:
        PoolError: the job does not run, or has no such worker.
        StoreUnwritableError: its directory is another user's.
    """
    workers = workers_of(view, worker)
    files: dict[int, Path] = {}

    def collect(request: Request, profiles: Path) -> None:
        for slot in workers:
            written = request.answer(profiles, slot).with_suffix(".memray")
            if request.answer(profiles, slot).exists() and written.exists():
                files[slot] = folder / f"worker-{slot}.memray"
                shutil.move(written, files[slot])

    answers = ask(
        view,
        workers,
        waiting=waiting,
        collect=collect,
        kind="memory",
        seconds=seconds,
        native=native,
        hz=1.0,
        patience=15.0,  # the file is written at the end
    )
    silent = {slot: silence.reason for slot, silence in answers.silent.items()}
    for slot, answer in answers.found.items():
        if slot not in files:
            silent[slot] = _failure_in(answer)
    return TrackedMemory(files, silent)


def _failure_in(answer: bytes) -> str:
    try:
        error = str(json.loads(answer)["error"])
    except (ValueError, KeyError, TypeError):
        return "its answer cannot be read"
    if error.startswith(("ModuleNotFoundError", "ImportError")):
        return f"memray is not installed in its environment. {_HINT}"
    return error


def profile_of_file(path: Path, mode: str) -> Profile:
    """The bytes by stack in a file of memray's: "held" at the end, or at the "peak".

    Raises:
        MissingExtraError: memray is not installed here.
        UsageError: the file is of another version of memray.
    """
    try:
        import memray  # noqa: PLC0415 (an extra, and heavy)
    except ImportError as error:
        raise MissingExtraError(
            "memray reads what workers have tracked, and is not installed.",
            hint="Try: pip install 'tamias[profile]'",
        ) from error
    profile = Profile()
    try:
        with memray.FileReader(path) as reader:
            records: Any = (
                reader.get_leaked_allocation_records(merge_threads=True)
                if mode == "held"
                else reader.get_high_watermark_allocation_records(merge_threads=True)
            )
            for record in records:
                try:
                    found = record.hybrid_stack_trace()
                except (NotImplementedError, ValueError, RuntimeError):
                    found = record.stack_trace()
                stack = _from_action([Frame(*place) for place in reversed(found)])
                profile.add(stack or (Frame("(no Python frame)"),), float(record.size))
    except OSError as error:
        raise UsageError(
            f"{path.name} cannot be read: {error}.",
            hint="The workers' memray has to be of the same version as the one here.",
        ) from error
    return profile


def _from_action(frames: list[Frame]) -> Stack:
    """A stack from the function of the action on, below a frame that names it; else all of it."""
    for place in range(len(frames) - 1, 0, -1):
        before, frame = frames[place - 1], frames[place]
        is_action = begins_action(before.name, before.file, frame.file)
        if is_action and not before.file.endswith("thread_pool.py"):
            return (Frame(f"{ACTION}{frame.name}"), *frames[place:])
    return tuple(frames)
