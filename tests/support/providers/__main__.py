"""``python -m support.providers``: the fake server as a process, for examples and measurements.

It prints its addresses on the first line, as JSON, and serves until it gets a signal, or its
standard input ends (with ``--with-parent``). While it runs, ``POST /_fake/faults`` with a list of
faults, as ``[{"status": 429, "headers": {"retry-after": "1"}}]``, breaks the next requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
from pathlib import Path

from . import script as scripts
from .script import Answer, Ask, Fault, Script
from .server import FakeProviders


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m support.providers")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, help="file for the log of requests, as JSON lines")
    parser.add_argument("--latency", type=float, default=0, help="seconds that an answer takes")
    parser.add_argument("--script", choices=("echo", "agent"), default="agent")
    parser.add_argument("--rounds", type=int, default=2, help="how often the agent asks for tools")
    parser.add_argument("--at-once", type=int, default=1, help="calls of tools in a round")
    parser.add_argument("--faults", type=float, default=0, help="share of requests that fail")
    parser.add_argument("--seed", type=int, default=0, help="decides which requests fail")
    parser.add_argument("--with-parent", action="store_true", help="end when the input ends")
    given = parser.parse_args()
    script: Script = scripts.echo
    if given.script == "agent":
        script = scripts.agent(given.rounds, given.at_once)
    if given.faults:
        script = failing(script, given.faults, given.seed)
    fake = FakeProviders(script, log=given.log, latency=given.latency)
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(fake, given.port, with_parent=given.with_parent))
    else:
        uvloop.run(_serve(fake, given.port, with_parent=given.with_parent))


def failing(script: Script, share: float, seed: int) -> Script:
    """A script, of whose answers a share fails in all the ways that there are."""
    chance = random.Random(seed)
    faults = (
        scripts.rate_limited(0.2),
        Fault(status=500),
        Fault(status=503),
        Fault("cut"),
        Fault("malformed"),
        Fault("html"),
        Fault("refused"),
    )

    def sometimes(ask: Ask) -> Answer:
        return chance.choice(faults) if chance.random() < share else script(ask)

    return sometimes


async def _serve(fake: FakeProviders, port: int, *, with_parent: bool) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if with_parent:
        loop.add_reader(0, lambda: None if os.read(0, 4096) else ended.set())
    await fake.start(port)
    sys.stdout.write(json.dumps({"url": fake.url, "openai_url": fake.openai_url}) + "\n")
    sys.stdout.flush()
    await ended.wait()
    fake.close()


if __name__ == "__main__":
    main()
