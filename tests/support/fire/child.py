"""The launcher's process: `python child.py PLAN`, PLAN being a JSON file.

Runs or resumes the job, or retries its dead letters, and leaves its report, and the launcher's peak
of resident memory, beside the plan as `report.json`. With FIRE_SCALES in the environment the job is
told again and again to have more workers, and fewer. Questions that runs ask are answered, once and
again; what is sent, and what is accepted, goes to the file FIRE_ANSWERS.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from tamias.agent.errors import AnswerError, TamiasError
from tamias.launcher.control.client import send_request
from tamias.launcher.jobs.file_job import JobSpec, run_file_job
from tamias.launcher.jobs.retry import retry_dead_letters
from tamias.store.encoding.values import loads
from tamias.store.state.reader import StoreReader
from tamias.store.waiting.tokens import make_token

if TYPE_CHECKING:
    from tamias.store.waiting.records import QuestionRecord


def scale(state: Path) -> None:
    """Have workers come and go, as long as there is a pool."""
    for workers in cycle((1, 3, 2)):
        with suppress(TamiasError):  # there is no pool yet, or no longer
            send_request(state, "scale", {"workers": workers}, wait=30)
        time.sleep(0.01)


def answer(state: Path) -> None:
    """Answer whatever is asked, as long as there is a process."""
    number = 0
    while True:
        time.sleep(0.02)
        with suppress(TamiasError, OSError, KeyError):
            for token, record in questions(state):
                asked = loads(record.ask) if record.ask else None
                if asked is not None or not record.waits:
                    number += 1
                    if record.is_open or number % 5 == 0:  # now and then one that is over
                        send_answer(state, token, f"{os.getpid()}-{number}")
            if number % 10 == 0:
                send_answer(state, make_token(0, time.time()), "to nothing")


def questions(state: Path) -> list[tuple[str, QuestionRecord]]:
    """All questions of the job, as of now."""
    found: list[tuple[str, QuestionRecord]] = []
    with StoreReader(state) as reader:
        for number in range(reader.view.manifest.shards):
            with reader.shard(number) as snapshot:
                if snapshot is not None:
                    found += snapshot.waiting.questions()
    return found


def send_answer(state: Path, token: str, value: str) -> None:
    """Send an answer, and say what has become of it."""
    log(f"sent {token} {value}")
    try:
        send_request(state, "answer", {"token": token, "value": value, "by": "fire"}, wait=30)
    except AnswerError:
        log(f"refused {token} {value}")
    else:
        log(f"accepted {token} {value}")


def log(line: str) -> None:
    """Append a line, whole."""
    descriptor = os.open(os.environ["FIRE_ANSWERS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def main() -> None:
    """Run the job of the plan."""
    plan = Path(sys.argv[1])
    job = json.loads(plan.read_text())
    spec, state = JobSpec(**job["spec"]), Path(job["state"])
    carry_on = retry_dead_letters if job.get("retry") else run_file_job
    if "FIRE_SCALES" in os.environ:
        threading.Thread(target=scale, args=[state], daemon=True).start()
    threading.Thread(target=answer, args=[state], daemon=True).start()
    report = carry_on(spec, state)
    fresh = plan.with_name("report.new")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fresh.write_text(json.dumps({**asdict(report), "peak_kib": peak}, default=str))
    fresh.replace(plan.with_name("report.json"))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
