"""The checks of `tamias doctor`; each yields findings of one line."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import resource
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import psutil

from ..agent.agent import Agent
from ..agent.decorators import action
from ..agent.errors import TamiasError
from ..agent.event import InputEvent, OutputEvent
from ..launcher.jobs.local import LocalExecutionEnvironment
from ..launcher.pool.at_end import describe_waiting
from ..store import clock
from ..store.at_rest.erasing import is_marked
from ..store.compiled import described_core
from ..store.faults import free_bytes
from ..store.lease import Lease
from ..store.lmdb_env import has_data
from ..store.state.deep import read_environment, read_shard
from ..store.state.directory import StateDirectory
from ..store.state.layout import StateLayout
from ..store.state.reader import StoreReader
from ..store.waiting.reading import WaitingCounts
from .environment_flags import described, shown_environment
from .memory.summary import described_sets, sets_in_all
from .text import count, shown, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..agent.context import RunnerContext

REQUIRED = (
    "pyzmq",
    "lmdb",
    "cloudpickle",
    "psutil",
    "pydantic",
    "typer",
    "rich",
    "PyYAML",
    "setproctitle",
    "orjson",
    "packaging",
)
OPTIONAL = ("uvloop",)

_SCARCE = 256 << 20
"""Bytes of free memory or disk below which a note is made."""
_FEW_FILES = 256
_EVENTS = 2000
_KEYS = 50


class Finding(NamedTuple):
    """The result of one check."""

    verdict: Literal["ok", "note", "bad"]
    name: str
    text: str


def machine() -> Iterator[Finding]:
    """Check the interpreter, the libraries, the resources."""
    enough = sys.version_info >= (3, 10)
    yield Finding(
        "ok" if enough else "bad",
        "python",
        f"{platform.python_version()} ({platform.python_implementation()}) at {sys.executable}"
        + ("" if enough else "; 3.10 or newer is needed"),
    )
    yield Finding("ok", "core", described_core())
    found = {name: _version(name) for name in (*REQUIRED, *OPTIONAL)}
    missing = [name for name in REQUIRED if found[name] is None]
    yield Finding(
        "bad" if missing else "ok",
        "packages",
        ", ".join(f"{name} {version}" for name, version in found.items() if version)
        + (f"; missing: {', '.join(missing)}" if missing else ""),
    )
    if found["uvloop"] is None:
        yield Finding("note", "uvloop", "not installed; pip install 'tamias[uvloop]' is quicker")
    usable = len(os.sched_getaffinity(0))
    yield Finding("ok", "cpu", f"{usable} usable of {os.cpu_count()}")
    memory = psutil.virtual_memory()
    yield Finding(
        "ok" if memory.available > _SCARCE else "note",
        "memory",
        f"{size(memory.available)} free of {size(memory.total)}",
    )
    yield _free_space("disk", Path.cwd())
    yield _free_space("temporary", Path(tempfile.gettempdir()))
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield Finding(
        "ok" if files >= _FEW_FILES else "note", "open files", f"{files:,} allowed per process"
    )


def kernel() -> Iterator[Finding]:
    """Check what tamias needs of the operating system."""
    yield _tried("fork", _fork, "processes can be forked")
    yield _tried("parent death", _death_signal, "children can be signalled when their parent dies")
    yield _tried("sockets", _abstract_socket, "abstract Unix sockets work")
    yield _tried("locks", _lock, "record locks work in the temporary directory")


def pool() -> Iterator[Finding]:
    """Run a pool from its start to its end, with a tiny agent."""
    began = time.monotonic()
    inputs = [{"key": f"k{n % _KEYS}", "value": n} for n in range(_EVENTS)]
    environment = LocalExecutionEnvironment()
    environment.get_config().set_int("workers", 2)
    outputs = environment.from_list(inputs).apply(CheckupAgent()).to_list()
    try:
        environment.execute()
    except TamiasError as error:
        yield Finding("bad", "pool", str(error))
        return
    expected = [{f"k{n % _KEYS}": n // _KEYS + 1} for n in range(_EVENTS)]
    if outputs != expected:
        yield Finding("bad", "pool", "a tiny agent has given wrong outputs")
    else:
        seconds = time.monotonic() - began
        yield Finding(
            "ok", "pool", f"2 workers, {count(_EVENTS, 'input')}, all right, in {seconds:.1f} s"
        )


def state(path: Path) -> Iterator[Finding]:
    """Check a state directory."""
    try:
        with StateDirectory.view(path) as view:
            manifest = view.manifest
            yield Finding(
                "ok",
                "manifest",
                f"{manifest.agent}, {count(manifest.shards, 'shard')}, durability "
                f"{manifest.durability}, by tamias {manifest.tamias}",
            )
            pid = view.launcher_pid()
            environment = shown_environment(manifest.job)
            if environment:
                yield Finding("ok", "environment", described(environment))
            yield Finding("ok", "launcher", f"running (pid {pid})" if pid else "not running")
            record = view.progress.load()
            done = 0 if record is None else record["totals"]["events"]
            yield Finding("ok", "progress", f"{count(done, 'input')} done")
    except TamiasError as error:
        yield Finding("bad", "state", str(error))
        return
    yield from _shards(path)
    yield _free_space("room", path)
    if not os.access(path, os.W_OK):
        yield Finding("bad", "rights", f"{shown(path)} cannot be written by this user")


def deep(path: Path) -> Iterator[Finding]:
    """Read all of a state directory, each part in a process of its own: damage may end that."""
    layout = StateLayout(path)
    try:
        with StateDirectory.view(path) as view:
            manifest = view.manifest
    except TamiasError:
        return  # `state` reports it
    yield _read("progress log", read_environment, layout.progress)
    if has_data(layout.intake):
        yield _read("request log", read_environment, layout.intake)
    for number in range(manifest.shards):
        shard = layout.shard(number)
        if manifest.complete or has_data(shard):
            identity = manifest.identity if manifest.complete else None
            yield _read(f"shard {number}", read_shard, shard, number, manifest.shards, identity)


def _read(name: str, read: Callable[..., str], *arguments: object) -> Finding:
    """Return what reading a part of the state in a child process has found."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        verdict = "bad"
        try:
            text = read(*arguments)
            verdict = "ok"
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is the finding)
            text = str(error) or type(error).__name__
        with os.fdopen(writer, "w", encoding="utf-8", errors="replace") as pipe:
            pipe.write(f"{verdict} {text}")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        verdict, _, text = pipe.read().partition(" ")
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        number = signal.Signals(os.WTERMSIG(status)).name
        return Finding("bad", name, f"{arguments[0]} is damaged: reading it ended with {number}.")
    return Finding("ok" if verdict == "ok" else "bad", name, text)


def _shards(path: Path) -> Iterator[Finding]:
    sound = used = marked = 0
    totals = dict.fromkeys(("memory", "journal", "outbox", "dead"), 0)
    waiting = WaitingCounts()
    with StoreReader(path) as reader:
        for number in range(reader.view.manifest.shards):
            try:
                with reader.shard(number) as snapshot:
                    if snapshot is not None:
                        used += 1
                        for name, entries in snapshot.counts().items():
                            if name in totals:
                                totals[name] += entries
                        for _ in snapshot.dead_letters():
                            pass
                        snapshot.interrupted()
                        waiting += snapshot.waiting.counts()
                        marked += snapshot.read(is_marked)
                sound += 1
            except TamiasError as error:
                yield Finding("bad", f"shard {number}", str(error))
    yield Finding(
        "ok" if sound == reader.view.manifest.shards else "bad",
        "shards",
        f"{sound} of {reader.view.manifest.shards} sound, {used} in use: "
        f"{count(totals['memory'], 'field')}, {count(totals['journal'], 'journal record')}, "
        f"{count(totals['outbox'], 'outbox record')}, {count(totals['dead'], 'dead letter')}",
    )
    with StoreReader(path) as reader:
        try:
            sums = sets_in_all(reader)
        except TamiasError:
            return  # said above
    if sums["sets"]:
        yield Finding("ok", "sets", described_sets(sums))
    if marked:
        yield Finding(
            "note",
            "forgotten",
            f"{count(marked, 'file')} still {'has' if marked == 1 else 'have'} bytes that were"
            " removed: a `tamias memory forget` was interrupted; repeat it",
        )
    if waiting:
        yield Finding("ok", "waiting", describe_waiting(waiting, clock.now()))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _free_space(name: str, path: Path) -> Finding:
    free = free_bytes(path)
    return Finding("ok" if free > _SCARCE else "note", name, f"{size(free)} free at {shown(path)}")


def _tried(name: str, attempt: object, text: str) -> Finding:
    try:
        attempt()  # type: ignore[operator]
    except (OSError, TamiasError, AttributeError) as error:
        return Finding("bad", name, str(error))
    return Finding("ok", name, text)


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _death_signal() -> None:
    number = ctypes.c_int()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(2, ctypes.byref(number), 0, 0, 0):  # PR_GET_PDEATHSIG
        raise OSError(ctypes.get_errno(), "prctl(PR_GET_PDEATHSIG) failed")


def _abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.bind(f"\0tamias-doctor-{os.getpid()}")


def _lock() -> None:
    with tempfile.TemporaryDirectory(prefix="tamias-") as folder:
        Lease.acquire(Path(folder) / "lock").close()


class CheckupAgent(Agent):
    """Counts the inputs of each key."""

    @action(InputEvent)
    @staticmethod
    def count(event: InputEvent, ctx: RunnerContext) -> None:
        """Send how often this key was seen."""
        del event
        seen = (ctx.short_term_memory.get("seen") or 0) + 1
        ctx.short_term_memory.set("seen", seen)
        ctx.send_event(OutputEvent(output=seen))
