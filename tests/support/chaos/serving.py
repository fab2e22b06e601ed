"""A service under chaos: `tamias serve`, and clients that die, disconnect and repeat themselves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from support.chaos import plan
from support.chaos.ground import PATIENCE, Ground, StuckError, workers_of
from support.chaos.history import Answer, Leftover, Refusal
from support.cli import TAMIAS

if TYPE_CHECKING:
    from support.chaos.history import History
    from support.chaos.plan import Deed, Shape

CLIENT = Path(__file__).with_name("client.py")


class Serving:
    """One service with its clients; `run` is all there is to do."""

    def __init__(self, folder: Path, seed: int, shape: Shape) -> None:
        # The path of a socket must be short.
        self._runtime = tempfile.TemporaryDirectory(prefix="tamias-chaos-")
        self.ground = Ground(folder, XDG_RUNTIME_DIR=self._runtime.name)
        self._folder = folder
        self._deeds = plan.deeds(seed, shape, plan.SERVICE)
        self._names = [f"c{number}" for number in range(shape.producers)]
        self._inputs = plan.inputs(
            seed, shape, self._deeds, self._names, malformed=False, timed=False
        )
        self._sizes = [workers_of(deed) for deed in self._deeds]
        self._crew = 0
        self._clients: dict[str, subprocess.Popen[bytes]] = {}
        files = {name: (folder / f"{name}.in").open("w", encoding="utf-8") for name in self._names}
        for submitted in self._inputs:
            value = {"i": submitted.i, "key": submitted.key, "kind": submitted.kind}
            files[submitted.producer].write(json.dumps(value) + "\n")
        for file in files.values():
            file.close()

    def run(self) -> History:
        """Have it all happen; what was observed."""
        ground, history = self.ground, self.ground.history
        history.submitted += self._inputs
        try:
            self._start()
            for name in self._names:
                self._begin(name)
            for deed in self._deeds:
                if self._wait(deed):
                    self._do(deed)
            ground.settle()
            self._finish()
            self._read_outcomes()
            ground.collect()
            left = list(Path(self._runtime.name).rglob("*"))
            history.leftovers += [Leftover(str(path)) for path in left]
        finally:
            for client in self._clients.values():
                client.kill()
                client.wait()
            ground.close()
            self._runtime.cleanup()
        return history

    def _start(self) -> None:
        self._crew += 1
        workers = self._sizes[self._crew % len(self._sizes)]
        self.ground.start(
            TAMIAS, "serve", f"{self._folder}/agent.py:Chaos", "--state", "state", "-w", workers,
            "--quiet",
        )  # fmt: skip

    def _begin(self, name: str) -> None:
        with (self._folder / "clients").open("ab") as said:
            self._clients[name] = subprocess.Popen(
                [sys.executable, str(CLIENT), "state", name],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env={**os.environ, "XDG_RUNTIME_DIR": self._runtime.name},
            )

    def _alive(self) -> bool:
        """Whether there are clients that are not done; whoever was killed is started again."""
        launcher = self.ground.launcher
        if launcher is not None and launcher.poll() is not None:
            life = self.ground.bury()
            if not (life.killed or life.gave_up):
                raise StuckError(f"the service ended with code {life.code}")
            self._start()
        for name, client in list(self._clients.items()):
            code = client.poll()
            if code == -signal.SIGKILL:
                self._begin(name)
            elif code is not None:
                if code:
                    raise StuckError(f"client {name} failed with code {code}")
                del self._clients[name]
        return bool(self._clients)

    def _wait(self, deed: Deed) -> bool:
        target = self.ground.begun() + deed.after
        while self.ground.begun() < target:
            if not self._alive():
                return False
            time.sleep(0.003)
        time.sleep(deed.pause)
        return self._alive()

    def _do(self, deed: Deed) -> None:
        who, _, what = deed.kind.partition(" ")
        if who != "client":
            until = time.monotonic() + PATIENCE
            while not self.ground.strike(deed) and self._alive() and time.monotonic() < until:
                time.sleep(0.002)  # there is none of these now: one that only just starts will do
            most = self.ground.begun() + plan.CALM_RUNS * deed.calm
            while self.ground.busy and self.ground.begun() < most and self._alive():
                time.sleep(0.01)
            return
        client = list(self._clients.values())[int(deed.pick * len(self._clients))]
        if what == "paused":
            self.ground.pause(deed.kind, client.pid, 0.1 + 2 * deed.pick)
        elif what == "SIGKILL":
            self.ground.shoot(deed.kind, client.pid, signal.SIGKILL)
            client.wait()
        elif _listens_to(client.pid, signal.SIGUSR1):
            self.ground.shoot(deed.kind, client.pid, signal.SIGUSR1)

    def _finish(self) -> None:
        while self._alive():
            self.ground.begun()  # which raises if nothing happens any more
            time.sleep(0.01)
        launcher = self.ground.launcher
        assert launcher is not None
        while not (self._folder / "state" / "service.json").exists():
            time.sleep(0.01)
        launcher.send_signal(signal.SIGTERM)
        stop = threading.Timer(60, launcher.kill)
        stop.start()
        self.ground.bury()
        stop.cancel()

    def _read_outcomes(self) -> None:
        history = self.ground.history
        for name in self._names:
            for line in (self._folder / f"{name}.out").read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                i, place = record["i"], record["sequence"]
                if "cause" in record:
                    refusal = Refusal(name, i, record["cause"], record["error"])
                    history.refusals.append(refusal)
                for output in record.get("outputs", []):
                    answer = Answer(name, place, record["key"], i, output)
                    history.answers.append(answer)


def _listens_to(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal; while Python starts it has none yet."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name == "SigCgt":
            return bool(int(value, 16) >> (number - 1) & 1)
    return False
