"""A client of a service under chaos: `python client.py STATE NAME`, in the folder of the chaos.

Hands in the inputs of `NAME.in`, each a JSON line, and appends what comes of them to `NAME.out`,
before it acknowledges them. It may be killed at any instant and started again. SIGUSR1 makes it
drop its connection, and begin again in the same process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamias import Client, SubmissionFailedError

if TYPE_CHECKING:
    from tamias.service.client.submission import Submission

UNDER_WAY = 150
"""Submissions at a time."""
AT_ONCE = 20
"""Acknowledged together."""


class DisconnectError(Exception):
    """The connection is to be dropped."""


def drop(*_: object) -> None:
    """Do so."""
    raise DisconnectError


def main(state: str, name: str) -> None:
    """Hand in everything, however often it takes."""
    events = [json.loads(line) for line in Path(f"{name}.in").read_text().splitlines()]
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    output = os.open(f"{name}.out", flags, 0o600)
    signal.signal(signal.SIGUSR1, drop)
    while True:
        try:
            with Client(state, client_id=name, timeout=300) as client:
                session(client, events, output)
                signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        except DisconnectError:
            continue
        return


def session(client: Client, events: list[dict[str, Any]], output: int) -> None:
    """One connection."""
    waiting: deque[Submission] = deque()
    done: list[Submission] = []
    for index in range(client.acknowledged, len(events)):
        value = events[index]
        waiting.append(client.submit(value["key"], value, sequence=index + 1))
        while len(waiting) >= UNDER_WAY or (waiting and waiting[0].done()):
            take(client, waiting, done, events, output)
    while waiting:
        take(client, waiting, done, events, output)


def take(
    client: Client,
    waiting: deque[Submission],
    done: list[Submission],
    events: list[dict[str, Any]],
    output: int,
) -> None:
    """Put the outcome of the oldest on record."""
    submission = waiting.popleft()
    record: dict[str, Any] = {"sequence": submission.sequence, "key": submission.key}
    record["i"] = events[submission.sequence - 1]["i"]
    try:
        record["outputs"] = submission.result(300)
    except SubmissionFailedError as error:
        record["cause"], record["error"] = error.cause, str(error)
    os.write(output, (json.dumps(record) + "\n").encode())
    done.append(submission)
    if len(done) >= AT_ONCE:
        client.acknowledge(*done)
        done.clear()


if __name__ == "__main__":
    main(*sys.argv[1:])
