"""A job of the command line whose workers and launcher are killed at random."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import psutil

from support.cli import TAMIAS
from support.profiles import PROFILE

if TYPE_CHECKING:
    import random

    from support.cli import Folder


def run_with_kills(folder: Folder, agent: str, chance: random.Random) -> int:
    """Run the job to its end, while its processes are killed; return how often."""
    command = [
        *(str(TAMIAS), "run", agent, "--input", "in.jsonl", "--output", "out.jsonl"),
        *("--workers", "2", "--set", "max-attempts=100", "--set", "window=8"),
    ]
    kills = launchers = 0
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        with subprocess.Popen(
            command, cwd=folder.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as job:
            while job.poll() is None:
                time.sleep(chance.uniform(0.03, 0.2))
                victims = [job.pid] if launchers < 2 and chance.random() < 0.2 else workers(job.pid)
                if not victims or kills >= (25 if PROFILE == "nightly" else 8):
                    continue
                if victims == [job.pid]:
                    launchers += 1
                kills += 1
                try:
                    os.kill(chance.choice(victims), 9)
                except ProcessLookupError:
                    kills -= 1
        if job.returncode == 0:
            return kills
    raise AssertionError("the job has not come to its end")


def workers(launcher: int) -> list[int]:
    """The processes of workers of our launcher."""
    try:
        return [
            child.pid
            for child in psutil.Process(launcher).children(recursive=True)
            if "tamias worker" in " ".join(child.cmdline())
        ]
    except psutil.Error:
        return []
