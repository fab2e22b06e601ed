"""A launcher that is killed in the middle of a reload, and the lives that follow."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from support.cli import PATIENCE, Folder
from support.fire.points import WHILE_RELOADING
from support.launcher.reloading import code, undisturbed
from support.service.customers import Customer
from support.service.process import serving, wait_for
from tamias.agent.errors import TamiasError
from tamias.launcher.control.client import send_request
from tamias.store.state.manifest import Manifest

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

SEED = 7
STAGES = ("preparing", "starting", "moving", "probation")
SLOW = ("--set=shards=4", "--set=reload-canary=0.3s", "--set=reload-probation=1s")


def kill_while(state: Path, stage: str, process: subprocess.Popen[str], delay: float) -> None:
    """Reload, and kill the launcher some seconds after a stage was seen, or when it is over."""

    def reload() -> None:
        with suppress(TamiasError):
            send_request(state, "reload", {}, wait=PATIENCE)

    thread = threading.Thread(target=reload)
    thread.start()

    def reached() -> bool:
        if stage in STAGES:
            with suppress(TamiasError):
                told = send_request(state, "status", wait=PATIENCE)["reload"] or {}
                return told.get("stage") == stage or not thread.is_alive()
        return process.poll() is not None  # by itself, at a point

    wait_for(reached)
    time.sleep(delay)
    process.kill()
    process.wait()
    thread.join()


def counting(state: Path) -> tuple[int, int]:
    """The generation that counts, and the highest that there was."""
    manifest = Manifest.read(state)
    assert manifest is not None
    return manifest.job["generation"], manifest.job["lineage"]["last"]


@pytest.mark.timeout(300)  # seven lives
def test_a_service_goes_on_exactly_and_in_the_generation_that_the_manifest_says(
    tmp_path: Path,
) -> None:
    dice = random.Random(SEED)
    state = tmp_path / "state"
    customers: list[Customer] = []
    expected = 0
    for version, instant in enumerate([*STAGES, *WHILE_RELOADING, "end"]):
        (tmp_path / "flag").touch()
        crash = f"{instant}:1:{tmp_path / 'flag'}" if instant in WHILE_RELOADING else ""
        armed = {"TAMIAS_CRASH": crash} if crash else {}
        with serving(tmp_path, *SLOW, agent=code(version), **armed) as service:
            assert send_request(state, "status")["generation"] == expected == counting(state)[0]
            if not customers:
                customers += [Customer(state, name) for name in ("anna", "bert")]
            for customer in customers:
                customer.more()
            if instant == "end":
                for customer in customers:
                    customer.finish()
                    customer.check()
                    assert customer.told[-1][1] == expected
                service.end()
                break
            # The code of the next life, which is on disk then.
            service.folder.write("agent.py", code(version + 1))
            kill_while(state, instant, service.process, 0 if crash else dice.uniform(0, 0.3))
            counts, last = counting(state)
            # It counts if that was on record. If not, its number is used up all the same.
            promoted = counts == expected + 1
            assert promoted or instant != "promote.after"
            assert not promoted or instant != "promote.before"
            assert counts == (last if promoted else expected)
            expected = counts if promoted else last + 1


def test_a_job_is_resumed_with_the_code_that_is_there(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    unhurried = "time.sleep(0 if Path('go').exists() else 0.02)"
    folder.write("agent.py", code(1, unhurried))
    folder.inputs(list(range(3000)), keys=20)
    state = tmp_path / "state"
    settings = [*SLOW, "--workers=2", "--output=out.jsonl", "--state=state"]
    with folder.started("run", "agent.py:Counter", "--input=in.jsonl", *settings) as process:

        def begun() -> bool:
            with suppress(TamiasError):
                return bool(send_request(state, "status")["events"] > 100)
            return False

        wait_for(begun)
        folder.write("agent.py", code(2, unhurried))
        kill_while(state, "moving", process, random.Random(SEED).uniform(0, 0.1))
    (tmp_path / "go").touch()
    counts, last = counting(state)
    folder.tamias("resume", "state")
    assert counting(state)[0] == (counts if counts == 1 else last + 1)
    outputs = [line["output"] for line in folder.lines("out.jsonl")]
    assert undisturbed(sorted(outputs))
    assert len(outputs) == 3000
    assert outputs[0][2] == 1
    assert outputs[-1][2] == 2
