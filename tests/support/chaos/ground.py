"""The ground on which chaos happens: a folder with the agent, its launcher, and what is done to it.

Shared by the two drives, `stream.py` (a job with files or a pipe) and `serving.py` (clients). A
launcher that dies is followed by another one with the same command, as a person would do it, or
systemd. Reloads and changes of scale are asked for on a thread of their own, one after the other,
so that everything else goes on while they are under way.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import psutil

from support.chaos.findings import collect
from support.chaos.history import Bounds, Fault, History, Leftover, Life, Operation, Sample
from support.chaos.plan import BAD_CODES, LENGTHY
from support.core import require_core
from support.fire.beside import Answering
from support.fire.run import alive, workers_below, zygotes_below
from tamias.agent.errors import TamiasError
from tamias.launcher.control.client import send_request
from tamias.store.state.layout import StateLayout

if TYPE_CHECKING:
    from support.chaos.plan import Deed

HERE = Path(__file__).parent
WINDOW = 64
SETTINGS = {
    "shards": 8,
    "window": WINDOW,
    "batch-size": 16,
    "run-timeout": "2s",
    "stop-timeout": "1s",
    "memory-limit": "250MiB",
    "breaker-failures": 0,
    "reload-probation": "300ms",
    "reload-canary": "100ms",
    "suspend-after": "20ms",
    "retry-attempts": 3,
    "retry-wait": "100ms",
    "at-end": "wait",
}
TRUST = {"reload-deaths": 40, "reload-failures": 100}
"""What a reload of good code is told: chaos kills its workers, too, and fails its inputs."""
DISTRUST = {"reload-deaths": 1, "reload-failures": 3}
"""And one of bad code: as an operator would have it."""
CLEARING = 20.0
"""Seconds after which what is still alive is a leftover: the promise is two, on an idle machine."""
PATIENCE = 10.0
"""Seconds to wait for a process that can be hit."""
STUCK = 120.0
"""Seconds without any progress after which something hangs."""
MOST_RSS = 200 << 20
MOST_WORKERS = 4
MOST_HELD = MOST_WORKERS * (4 + 1) * WINDOW
"""Four windows wait for each worker, and one is in flight there."""
WITH_IT = "(with it)"
"""The kind of the second and all other processes that are killed together: one fault."""
SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGSEGV": signal.SIGSEGV, "SIGTERM": signal.SIGTERM}


class StuckError(Exception):
    """Nothing happens any more."""


class Ground:
    """One pool under chaos, in a folder of its own.

    Attributes:
        history: what was observed so far.
        launcher: the present one; None before the first.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.history = History()
        self.history.bounds.append(Bounds(MOST_RSS, WINDOW, MOST_HELD))
        self.launcher: subprocess.Popen[str] | None = None
        self.backed_up = False
        """Whether nobody takes the outputs just now."""
        for name in ("once", "tmp", "bad"):
            (folder / name).mkdir(parents=True)
        self._environment = {
            **os.environ,
            "CHAOS_DIR": str(folder),
            "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": os.pathsep.join(
                filter(None, (os.environ.get("PYTHONPATH"), str(HERE.parents[1])))
            ),
            **environment,
        }
        self._version = 0
        self._write_agent(folder, 0)
        (folder / "smoke.jsonl").write_text(
            json.dumps({"key": "smoke", "value": {"i": -1, "key": "smoke", "kind": "plain"}}) + "\n"
        )
        self._killed = self._settling = False
        self._kills = 0
        self._begun = 0
        self._progress = (time.monotonic(), 0)
        self._timers: list[threading.Timer] = []
        self._orders: SimpleQueue[Deed | None] = SimpleQueue()
        self._ordered = self._answered = 0
        self._operator = threading.Thread(target=self._operate, daemon=True)
        self._operator.start()
        self.answering = Answering(self.state)
        self.answering.start()
        self._end = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _write_agent(self, folder: Path, version: int, mischief: str = "", end: str = "") -> None:
        text = (HERE / "agent.py").read_text(encoding="utf-8")
        text = text.replace("VERSION = 0\n", f"VERSION = {version}\n")
        text = text.replace('MISCHIEF = ""\n', f'MISCHIEF = "{mischief}"\n')
        new = folder / "agent.new"
        new.write_text(text + end, encoding="utf-8")
        new.replace(folder / "agent.py")

    # -- lives --------------------------------------------------------------------------------

    def start(self, *command: object, **options: Any) -> subprocess.Popen[str]:
        """Begin a life of the launcher."""
        self._killed, self._kills = False, 0
        settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
        with (self.folder / "said").open("ab") as said:
            self.launcher = subprocess.Popen(
                [*map(str, command), *settings],
                stdin=subprocess.DEVNULL,
                **{"stdout": said, "stderr": said, **options},
                env=self._environment,
                cwd=self.folder,
                text=True,
            )
        return self.launcher

    def bury(self) -> Life:
        """Take the present launcher's end on record, once it has come; checks what it leaves."""
        launcher = self.launcher
        assert launcher is not None
        code = launcher.wait()
        began = time.monotonic()
        while (left := self._of_this_pool()) and time.monotonic() < began + CLEARING:
            time.sleep(0.01)
        seconds = time.monotonic() - began
        for process in left:
            self.history.leftovers.append(Leftover(f"process {process.pid} of {launcher.pid}"))
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if f"tamias-{launcher.pid}-" in Path("/proc/net/unix").read_text(encoding="utf-8"):
            self.history.leftovers.append(Leftover(f"a socket of {launcher.pid}"))
        said = (self.folder / "said").read_text(encoding="utf-8", errors="replace")
        last = said.strip().rpartition("\n")[2] if code == 1 else ""
        gave_up = code == 1 and ("in a row" in said[-1500:] or "WorkerStartError" in last)
        life = Life(launcher.pid, code, self._killed, gave_up, self._kills, seconds)
        self.history.lives.append(life)
        self.launcher = None
        return life

    def _of_this_pool(self) -> list[psutil.Process]:
        """Processes that have this folder's mark in their environment, clients apart."""
        mark = f"CHAOS_DIR={self.folder}\0".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError, psutil.NoSuchProcess):
                    if mark in (entry / "environ").read_bytes() and alive(int(entry.name)):
                        found.append(psutil.Process(int(entry.name)))
        return found

    # -- progress -----------------------------------------------------------------------------

    def begun(self) -> int:
        """How many runs have begun so far, repetitions included.

        Raises:
            StuckError: none has for a long time.
        """
        with suppress(FileNotFoundError):
            self._begun = (self.folder / "runs").stat().st_size
        now = time.monotonic()
        if self._begun != self._progress[1]:
            self._progress = now, self._begun
        elif now > self._progress[0] + STUCK:
            raise StuckError(f"nothing has happened for {STUCK} s")
        return self._begun // _BYTES_OF_A_RUN

    def workers(self) -> list[int]:
        """The living workers' pids."""
        return workers_below(self.launcher.pid) if self.launcher is not None else []

    def zygotes(self) -> list[int]:
        """The pids of the living zygotes and their reapers."""
        return zygotes_below(self.launcher.pid) if self.launcher is not None else []

    # -- faults -------------------------------------------------------------------------------

    def strike(self, deed: Deed) -> bool:
        """Do one thing to the pool; whether there was anything to do it to."""
        who, _, what = deed.kind.partition(" ")
        if deed.kind in LENGTHY:
            self._ordered += 1
            self._orders.put(deed)
            return True
        launcher = self.launcher
        if launcher is None or launcher.poll() is not None:
            return False
        if who == "all":
            targets = [launcher.pid, *self.zygotes(), *self.workers()]
            random.Random(deed.pick).shuffle(targets)
            self._killed = True
            for number, pid in enumerate(targets):
                self.shoot(deed.kind if number == 0 else WITH_IT, pid, signal.SIGKILL)
            return True
        if who == "launcher":
            targets = [launcher.pid]
        else:
            targets = self.zygotes() if who == "zygote" else self.workers()
        if not targets:
            return False
        pid = targets[int(deed.pick * len(targets))]
        if who == "worker":
            require_core(pid)
        if what == "paused":
            return self.pause(deed.kind, pid, 0.05 + 0.5 * deed.pick)
        if what == "stopped":  # until it is replaced
            self._kills += 1
            return self.pause(deed.kind, pid, 30.0)
        if who == "launcher":
            self._killed = True
        else:
            self._kills += 1
        return self.shoot(deed.kind, pid, SIGNALS[what])

    def shoot(self, kind: str, pid: int, number: signal.Signals) -> bool:
        """Send a process a signal, and note it; whether it was there."""
        at = time.monotonic_ns()
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            self.history.faults.append(Fault(kind, pid, number, at))
            return True
        return False

    def pause(self, kind: str, pid: int, seconds: float) -> bool:
        """Stop a process for a while."""
        if not self.shoot(kind, pid, signal.SIGSTOP):
            return False

        def go_on() -> None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

        timer = threading.Timer(seconds, go_on)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)
        return True

    # -- reloads and scale --------------------------------------------------------------------

    def _operate(self) -> None:
        while (deed := self._orders.get()) is not None:
            if not self._somebody_listens():
                self._answered += 1
                continue
            kind, bad = deed.kind, False
            arguments: dict[str, Any] = {}
            question = "reload"
            if kind == "scale":
                question, arguments = "scale", {"workers": workers_of(deed)}
            elif kind == "reload":
                self._version += 1
                self._write_agent(self.folder, self._version)
                arguments = {"settings": TRUST}
                if deed.pick < 0.3:
                    arguments["smoke"] = str(self.folder / "smoke.jsonl")
            else:
                bad = True
                code = BAD_CODES[int(deed.pick * len(BAD_CODES))]
                kind = f"{kind}: {code}"
                arguments = self._bad_code(code)
            at = time.monotonic_ns()
            try:
                answer = send_request(self.state, question, arguments, wait=60)
                outcome = str(answer.get("outcome", "done"))
            except (TamiasError, OSError) as error:
                outcome = f"{type(error).__name__}: {error}"
            self.history.faults.append(Fault(kind, at=at, detail=outcome[:300]))
            self.history.operations.append(Operation(kind, outcome[:300], bad))
            self._answered += 1

    def _somebody_listens(self) -> bool:
        """Wait for a launcher that listens, unless the job may be over."""
        until = time.monotonic() + 10
        while time.monotonic() < until and not (self._settling and self.launcher is None):
            with suppress(TamiasError, OSError):
                send_request(self.state, "status", wait=5)
                return True
            time.sleep(0.02)
        return False

    @property
    def busy(self) -> bool:
        """Whether a reload or a change of scale is not over yet."""
        return self._answered < self._ordered

    def _bad_code(self, code: str) -> dict[str, Any]:
        mischief = {"import": "", "smoke": "raise"}.get(code, code)
        end = "\nimport nothing_of_the_kind\n" if code == "import" else ""
        self._write_agent(self.folder / "bad", -1, mischief, end)
        arguments: dict[str, Any] = {
            "target": f"{self.folder}/bad/agent.py:Chaos",
            "settings": DISTRUST,
        }
        if code == "smoke":
            arguments["smoke"] = str(self.folder / "smoke.jsonl")
        return arguments

    # -- watching -----------------------------------------------------------------------------

    def _watch(self) -> None:
        """Take samples of the launcher."""
        while not self._end.wait(0.2):
            launcher = self.launcher
            if launcher is None:
                continue
            with suppress(OSError, ValueError, psutil.NoSuchProcess):
                status = json.loads(StateLayout(self.state).status.read_text(encoding="utf-8"))
                rss = psutil.Process(launcher.pid).memory_info().rss
                if status["pid"] == launcher.pid:
                    workers = status["workers"]
                    in_flight = [worker["in_flight"] for worker in workers]
                    held = sum(in_flight) + sum(worker["waiting"] for worker in workers)
                    most = max(in_flight, default=0)
                    self.history.samples.append(
                        Sample(launcher.pid, rss, most, held, self.backed_up, len(workers))
                    )

    # -- the end ------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let the operator finish what it has to do."""
        self._settling = True
        self._orders.put(None)
        self._operator.join(90)

    def collect(self) -> None:
        """When all is over: read what actions and store have, and what is left behind."""
        self._end.set()
        self.answering.stop()
        self._watcher.join()
        for timer in self._timers:
            timer.cancel()
        collect(self.folder, self.history)

    def close(self) -> None:
        """End what still runs."""
        self._end.set()
        self.answering.stop()
        self._orders.put(None)
        if self.launcher is not None:
            self.launcher.kill()
            self.launcher.wait()
        for process in self._of_this_pool():
            with suppress(psutil.NoSuchProcess):
                process.kill()


_BYTES_OF_A_RUN = 60
"""About as long as the two lines of a run are."""


def workers_of(deed: Deed) -> int:
    """How many workers there are to be."""
    return 1 + int(MOST_WORKERS * deed.pick)
