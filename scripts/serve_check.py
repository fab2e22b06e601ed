"""Clients of a service under fire; see scripts/serve-check."""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from support.service.process import AGENT, Service, serving
from tamias import Client, open_memory
from tamias.store.state.reader import StoreReader

KEYS = 5
NOTES = 20
"""Items of the memory set of each key; what was added last stays."""
WITH_NOTES = AGENT.replace(
    '        if value == "twice":',
    f"""\
        memory = ctx.long_term_memory
        memory.get_memory_set("notes", capacity={NOTES}).add(f"note {{n}}")
        memory.get_memory_set("all", shared=True).add(f"note {{n}} of {{ctx.key}}")
        if value == "twice":""",
)
HELD = 64
"""Inputs that hold the workers up while the clients hand in theirs."""

CHILD = f"""
import sys
from tamias import Client
name, events = sys.argv[2], int(sys.argv[3])
with Client(sys.argv[1], client_id=name, timeout=120) as client:
    inputs = [(f"{{name}}-{{n % {KEYS}}}", [name, n]) for n in range(events)]
    for n, submission in enumerate(client.submit_many(inputs)):
        output = submission.result()
        assert output == [[[name, n], n // {KEYS} + 1]], (n, output)
"""


class Crowd:
    """The clients' processes."""

    def __init__(self, state: Path, names: list[str], events: int) -> None:
        self._state = state
        self._events = events
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.kills = 0
        for name in names:
            self._start(name)

    def _start(self, name: str) -> None:
        command = [sys.executable, "-c", CHILD, self._state, name, str(self._events)]
        self._running[name] = subprocess.Popen(command)

    def kill(self, dice: random.Random) -> None:
        """One of them dies, and begins again."""
        if self._running:
            name = dice.choice(sorted(self._running))
            self._running[name].kill()
            self._running[name].wait()
            self.kills += 1
            self._start(name)

    def look(self) -> int:
        """How many are not done yet; one that has failed fails everything."""
        for name, process in list(self._running.items()):
            if process.poll() is not None:
                if process.returncode:
                    raise SystemExit(f"client {name} has failed: exit code {process.returncode}")
                del self._running[name]
        return len(self._running)

    def close(self) -> None:
        """None is left behind."""
        for process in self._running.values():
            process.kill()
            process.wait()


def check(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Run it; returns the figures."""
    dice = random.Random(arguments.seed)  # noqa: S311 (repeatable, on purpose)
    names = [f"c{number}" for number in range(arguments.clients)]
    total = arguments.clients * arguments.events
    launcher_kills = worker_kills = repeated = most = 0
    with ExitStack() as stack:
        service = stack.enter_context(serving(folder, agent=WITH_NOTES))
        with Client(service.state, client_id="holder") as holder:
            holder.submit_many((f"hold{number}", "wait") for number in range(HELD))
        crowd = Crowd(service.state, names, arguments.events)
        stack.callback(crowd.close)
        while most < min(total, arguments.in_flight) + HELD:
            time.sleep(0.1)
            if dice.random() < 0.05:  # clients die while nothing is answered, too
                crowd.kill(dice)
            crowd.look()
            most = max(most, service.told()["waiting"])
        (folder / "go").touch()
        began = time.monotonic()
        # The kills are spread over the answering, as far as it goes: each one makes it longer.
        plan = ["client"] * arguments.kills
        plan += ["launcher"] * arguments.launcher_kills + ["worker"] * arguments.worker_kills
        dice.shuffle(plan)
        while crowd.look():
            time.sleep(dice.uniform(0.02, 0.2))
            victim = plan.pop() if plan else ""
            if victim == "client":
                crowd.kill(dice)
            elif victim == "worker":
                worker_kills += kill_worker(service, dice)
            elif victim == "launcher":
                repeated += service.told()["repeated"]
                service.kill()
                launcher_kills += 1
                service = stack.enter_context(serving(folder, agent=WITH_NOTES))
        seconds = time.monotonic() - began
        repeated += service.told()["repeated"]
        wrong = effects(service, names, arguments.events)
        service.end()
    return {
        "events": total,
        "in flight at once": most,
        "client kills": crowd.kills,
        "launcher kills": launcher_kills,
        "worker kills": worker_kills,
        "repetitions recognised": repeated,
        "wrong effects": wrong,
        "seconds": round(seconds, 1),
    }


def kill_worker(service: Service, dice: random.Random) -> int:
    """A worker dies."""
    status = json.loads((service.state / "status.json").read_text())
    pids = [worker["pid"] for worker in status["workers"] if worker["pid"]]
    if not pids:
        return 0
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        pid = dice.choice(pids)
        if service.process.pid in {parent.pid for parent in psutil.Process(pid).parents()}:
            os.kill(pid, 9)
            return 1
    return 0


def effects(service: Service, names: list[str], events: int) -> int:
    """How many keys have had another number of effects than inputs; repeats everything, too."""
    wrong = 0
    for name in names:  # the recorded outputs, once more
        with Client(service.state, client_id=name) as client:
            inputs = [(f"{name}-{number % KEYS}", [name, number]) for number in range(events)]
            again = client.submit_many(inputs)
            outputs = [submission.result(60) for submission in again]
        wrong += outputs != [[[[name, n], n // KEYS + 1]] for n in range(events)]
    with StoreReader(service.state) as reader:
        for name in names:
            for key in range(KEYS):
                memory = reader.memory(f"{name}-{key}") or {}
                wrong += memory.get("n", 0) != len(range(key, events, KEYS))
    return wrong + wrong_notes(service, names, events)


def wrong_notes(service: Service, names: list[str], events: int) -> int:
    """How many memory sets have other items than inputs have added."""
    wrong = 0
    expected = [f"note 1 of hold{number}" for number in range(HELD)]
    with open_memory(service.state) as memory:
        for name in names:
            for key in range(KEYS):
                numbers = range(1, len(range(key, events, KEYS)) + 1)
                if numbers:
                    found = memory.get_memory_set(f"{name}-{key}", "notes").get()
                    last = [f"note {n}" for n in numbers][-NOTES:]
                    wrong += [item.value for item in found] != last
                expected += [f"note {n} of {name}-{key}" for n in numbers]
        everything = memory.get_shared_memory_set("all").get(limit=None)
        wrong += sorted(item.value for item in everything) != sorted(expected)
    return wrong


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--events", type=int, default=2500, help="of each client")
    parser.add_argument("--in-flight", type=int, default=10_000, help="before the first answer")
    parser.add_argument("--kills", type=int, default=100, help="of clients")
    parser.add_argument("--launcher-kills", type=int, default=3)
    parser.add_argument("--worker-kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = check(arguments, Path(folder))
    for name, value in figures.items():
        print(f"{name:24}{value}")
    if figures["wrong effects"]:
        raise SystemExit("not exactly once")


if __name__ == "__main__":
    main()
