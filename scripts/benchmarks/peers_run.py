"""Runs the peers of `peer_table` on the same agent over the same inputs, with kills, one by one.

Each is installed into an environment of its own, `.venv/peers/NAME`. Its rate and CPU seconds are
those of a large run beyond a small one, so that starting up does not count. Then the large run is
made again, for each kind of kill: SIGKILL after a third of its time, and after another third, and
the same command again if that has ended it. What it has put out is compared with the truth.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import psutil
from peer_table import NOT_HERE, PEERS, Mode, Peer

HERE = Path(__file__).parent
ADAPTERS = HERE / "peers"
ROOT = HERE.parent.parent
KEYS = 100
LEAST_SECONDS = 5
"""So long the events of a run take: where a machine is faster, there are more of them. A kill would
fall into the start otherwise, when there is nothing to lose."""
MOST_TIMES = 8
LONGEST = 150.0
"""Seconds that a run may take."""
RESTARTS = 6
"""So often a command is repeated."""
KILLS = 2
PR_SET_CHILD_SUBREAPER = 36


class FailedError(Exception):
    """A peer cannot be measured; says why."""


@dataclass(frozen=True)
class Outcome:
    """What is wrong with the outputs of a run."""

    lost: int
    """Inputs without an output."""
    doubled: int
    """Outputs of inputs that have one already."""
    wrong: int
    """Counts that no output has, or that another input has got too: state was lost or added to."""
    keys_wrong: int
    """Keys whose last count is not the number of their inputs."""

    @property
    def exact(self) -> bool:
        """Whether all is as it must be."""
        return not (self.lost or self.doubled or self.wrong or self.keys_wrong)


@dataclass(frozen=True)
class Kill:
    """A run with kills."""

    kind: str
    kills: int
    restarts: int
    """How often the command was repeated; 0: the system itself has gone on."""
    seconds: float
    """Of the run, beyond what it takes without kills."""
    outcome: Outcome


@dataclass
class Measured:
    """All of one peer in one mode."""

    peer: str
    version: str
    mode: str
    survives: str
    events: int = 0
    rate: float | None = None
    cpu: float | None = None
    """Seconds of all processes per 100,000 events."""
    p50: float | None = None
    p99: float | None = None
    no_trips: str = ""
    exact: bool | None = None
    kills: list[Kill] = field(default_factory=list)
    unavailable: str = ""


def check(found: list[dict[str, Any]], events: int) -> Outcome:
    """Compare outputs with the truth: input n is of key n % KEYS, whose counts are 1, 2, 3, ..."""
    seen: dict[int, int] = {}
    counts: dict[str, set[int]] = collections.defaultdict(set)
    doubled = 0
    for output in found:
        doubled += output["value"] in seen
        seen.setdefault(output["value"], output["count"])
        counts[output["key"]].add(output["count"])
    wrong = keys_wrong = 0
    for number in range(min(KEYS, events)):
        due = len(range(number, events, KEYS))
        got = counts[f"key-{number}"]
        wrong += due - len(got & set(range(1, due + 1)))
        keys_wrong += max(got, default=0) != due
    lost = events - len(seen)
    return Outcome(lost, doubled, max(0, wrong - lost), keys_wrong)


def install(peer: Peer) -> Path:
    """Make the peer's environment, if it is not there; return its Python.

    Raises:
        FailedError: that cannot be done here.
    """
    if not peer.requirements:
        return Path(sys.executable)
    venv = ROOT / ".venv" / "peers" / peer.name
    python = venv / "bin" / "python"
    stamp = venv / ".installed"
    wanted = " ".join((*peer.requirements, *peer.alone, *peer.npm))
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(venv, ignore_errors=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", venv / "npm"]
    commands: list[list[Any]] = [[sys.executable, "-m", "venv", venv], [*pip, *peer.requirements]]
    if peer.alone:
        commands.append([*pip, "--no-deps", *peer.alone])
    if peer.npm:
        commands.append([*npm, *peer.npm])
    for command in commands:
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **peer.environment},
                timeout=600,
            )
        except OSError as error:
            raise FailedError(f"{command[0]} cannot be started: {error}") from error
        if done.returncode:
            words = [line for line in done.stderr.splitlines() if "rror" in line]
            raise FailedError(f"not installed: {words[-1] if words else done.returncode}")
    stamp.write_text(wanted)
    return python


class Run:
    """One run of a peer in a folder of its own."""

    def __init__(self, peer: Peer, mode: Mode, events: int, folder: Path) -> None:
        self._peer = peer
        self._mode = mode
        self._events = events
        self._folder = folder
        self._python = install(peer)
        self._log = folder / "log"
        with (folder / "in.jsonl").open("w") as lines:
            for number in range(events):
                lines.write(json.dumps({"key": f"key-{number % KEYS}", "value": number}) + "\n")
        self.killed = self.restarts = 0
        self._finish(self._start("prepare"), "prepare")

    def _start(self, step: str, *more: str) -> subprocess.Popen[bytes]:
        program = str(ADAPTERS / f"on_{self._peer.name}.py")
        command = [str(self._python), program, step, self._mode.name, str(self._folder), *more]
        with self._log.open("ab") as log, (self._folder / "answer").open("wb") as answer:
            return subprocess.Popen(
                command, stdout=answer, stderr=log, cwd=self._folder, start_new_session=True
            )

    def _finish(self, process: subprocess.Popen[bytes], step: str) -> None:
        try:
            code = process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            code = -1
        end_all()
        if code:
            raise FailedError(f"{step} has ended with {code}: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "no message"

    def count(self, kind: str = "", start: float = 0.0, part: float = 0.0) -> tuple[float, float]:
        """Count all; return wall and CPU seconds.

        With a `kind`, processes are killed twice, each time `part` seconds after the run goes (on),
        to start which takes `start` seconds.
        """
        used, began = cpu_of_children(), time.monotonic()
        process = self._start("run")
        wait = start + part
        for _ in range(KILLS if kind else 0):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(wait)
            if process.poll() == 0:
                break
            self.killed += self._kill(kind, process)
            # With all processes goes the status: it would read as that of a run that is done.
            if kind != "all" and process.poll() == 0:
                break
            wait = part
            if kind == "all" or process.poll() is not None:
                process = self._again()
                wait += start
        while code := self._wait(process, began):
            if self.restarts == RESTARTS:
                end_all()
                raise FailedError(f"the run has ended with {code}: {self._last_words()}")
            print(f"ended with {code}: {self._last_words()}", file=sys.stderr)
            process = self._again()
        seconds = time.monotonic() - began
        end_all()
        return seconds, cpu_of_children() - used

    def _again(self) -> subprocess.Popen[bytes]:
        self.restarts += 1
        end_all()
        return self._start("run")

    def _wait(self, process: subprocess.Popen[bytes], began: float) -> int:
        try:
            return process.wait(max(1.0, LONGEST + began - time.monotonic()))
        except subprocess.TimeoutExpired:
            end_all()
            raise FailedError(f"it takes longer than {LONGEST:.0f} s") from None

    def _kill(self, kind: str, process: subprocess.Popen[bytes]) -> bool:
        if kind == "all":
            end_all()
            process.wait()
            return True
        while process.poll() is None:
            for each in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if self._peer.workers in " ".join(each.cmdline()):
                        each.kill()
                        return True
            time.sleep(0.01)
        return False

    def outcome(self) -> Outcome:
        """Compare what is there with the truth."""
        sys.path.insert(0, str(ADAPTERS))
        from contract import outputs  # noqa: PLC0415 (the adapters' folder is no place for others)

        sys.path.remove(str(ADAPTERS))
        records = (
            output.get("output", output) | {"key": output["key"]}
            for output in outputs(self._folder)
        )
        return check(list(records), self._events)

    def trips(self) -> list[float]:
        """Round trips, sorted."""
        self._finish(self._start("trips", str(self._mode.trips)), "trips")
        lines = (self._folder / "answer").read_text().splitlines()
        return sorted(json.loads(lines[-1]))


def end_all() -> None:
    """Kill all processes that have come of a run, and wait for them, so that their CPU counts."""
    for _ in range(100):
        children = psutil.Process().children(recursive=True)
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.kill()
        with contextlib.suppress(ChildProcessError):
            while True:
                if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                    break
                os.waitpid(-1, os.WNOHANG)
        if not children:
            return
        time.sleep(0.02)


def cpu_of_children() -> float:
    """CPU seconds of all processes of runs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(peer: Peer, mode: Mode, factor: float) -> Measured:
    """All of one peer in one mode; what cannot be measured is said."""
    events = max(200, int(mode.events * factor))
    measured = Measured(peer.title, peer.version, mode.title, mode.survives, events)
    measured.no_trips = mode.no_trips
    try:
        _measure(peer, mode, measured, is_whole=factor >= 1)
    except FailedError as error:
        measured.unavailable = str(error)
    return measured


def _measure(peer: Peer, mode: Mode, measured: Measured, *, is_whole: bool) -> None:
    few = max(100, measured.events // 20)
    small, small_cpu = _count(peer, mode, few, measured)
    large, large_cpu = _count(peer, mode, measured.events, measured)
    if is_whole and large - small < LEAST_SECONDS:
        measured.events *= min(MOST_TIMES, ceil(LEAST_SECONDS / max(0.1, large - small)))
        large, large_cpu = _count(peer, mode, measured.events, measured)
    events = measured.events
    if large > small and large_cpu > small_cpu:  # else these are too few events to say anything
        measured.rate = (events - few) / (large - small)
        measured.cpu = (large_cpu - small_cpu) / (events - few) * 1e5
    if mode.trips:
        with tempfile.TemporaryDirectory(prefix="tamias-peers-") as folder:
            trips = Run(peer, mode, few, Path(folder)).trips()
        measured.p50, measured.p99 = trips[len(trips) // 2], trips[len(trips) * 99 // 100]
    for kind in mode.kills:
        with tempfile.TemporaryDirectory(prefix="tamias-peers-") as folder:
            run = Run(peer, mode, events, Path(folder))
            seconds, _ = run.count(kind, small, max(0.0, large - small) / (KILLS + 1))
            extra = seconds - large
            measured.kills.append(Kill(kind, run.killed, run.restarts, extra, run.outcome()))


def _count(peer: Peer, mode: Mode, events: int, measured: Measured) -> tuple[float, float]:
    """Wall and CPU seconds of so many events."""
    with tempfile.TemporaryDirectory(prefix="tamias-peers-") as folder:
        run = Run(peer, mode, events, Path(folder))
        spent = run.count()
        measured.exact = run.outcome().exact
    return spent


def run_peers(names: list[str], factor: float) -> Iterator[dict[str, Any]]:
    """Measure these peers, or all, one after the other; says what it does on stderr."""
    known = [peer.name for peer in PEERS]
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no peer {', '.join(unknown)}: there are {', '.join(known)}")
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        for peer in PEERS:
            for mode in peer.modes if not names or peer.name in names else ():
                began = time.monotonic()
                yield asdict(measure(peer, mode, factor))
                took = time.monotonic() - began
                print(f"{peer.title}, {mode.title}: {took:.0f} s", file=sys.stderr)
    finally:
        end_all()
    if not names:
        for title, reason in NOT_HERE.items():
            yield asdict(Measured(title, "", "", "", unavailable=reason))


def known_modes() -> set[tuple[str, ...]]:
    """What `run_peers` says of all peers: their titles and modes."""
    modes = {(peer.title, mode.title) for peer in PEERS for mode in peer.modes}
    return modes | {(title, "") for title in NOT_HERE}


def is_exact(measured: dict[str, Any]) -> bool:
    """Whether all outputs were as they must be, in all runs."""
    outcomes = [kill["outcome"] for kill in measured["kills"]]
    return bool(measured["exact"]) and not any(any(each.values()) for each in outcomes)
