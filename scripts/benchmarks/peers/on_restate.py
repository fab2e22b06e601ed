"""Restate: a virtual object per key, called through the server with an idempotency key per event.

The server keeps each step in its log; `on_restate.py serve` is the service with the agent's code,
which is started again when it dies, as a supervisor would do it. One mode, `default`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import httpx
import restate
from contract import Adapter, Output, inputs, main

UNDER_WAY = 64

counter = restate.VirtualObject("Counter")


@counter.handler()
async def count(ctx: restate.ObjectContext, value: int) -> dict[str, Any]:
    """The agent: read the state, add, emit."""
    total = (await ctx.get("count", type_hint=int) or 0) + 1
    ctx.set("count", total)
    return {"key": ctx.key(), "value": value, "count": total}


def serve(port: str) -> None:
    """Serve the agent's code."""
    from hypercorn.asyncio import serve as run  # noqa: PLC0415
    from hypercorn.config import Config  # noqa: PLC0415

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    asyncio.run(run(restate.app([counter]), config))  # type: ignore[arg-type]


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


class Servers:
    """The server, and the service beside it."""

    def __init__(self, folder: Path) -> None:
        known = folder / "ports.json"
        if not known.exists():
            names = ("ingress", "admin", "node", "service")
            known.write_text(json.dumps({name: _free_port() for name in names}))
        self.ports = json.loads(known.read_text())
        self._folder = folder
        self._open = True
        self._log = (folder / "restate.log").open("ab")
        program = Path(sys.prefix) / "npm" / "node_modules" / ".bin" / "restate-server"
        self._server = subprocess.Popen(
            [program, "--base-dir", folder / "restate", "--node-name", "bench"],
            env={
                "PATH": "/usr/bin:/bin",
                "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{self.ports['ingress']}",
                "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{self.ports['admin']}",
                "RESTATE_BIND_ADDRESS": f"127.0.0.1:{self.ports['node']}",
                "RESTATE_LISTEN_MODE": "tcp",
                "RESTATE_DISABLE_TELEMETRY": "true",
            },
            stdout=self._log,
            stderr=self._log,
        )
        self._service = self._start_service()
        threading.Thread(target=self._supervise, daemon=True).start()
        self._register()

    @property
    def ingress(self) -> str:
        """Where calls go."""
        return f"http://127.0.0.1:{self.ports['ingress']}"

    def _start_service(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, __file__, "serve", str(self.ports["service"])]
        return subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def _supervise(self) -> None:
        while self._open:
            self._service.wait()
            if self._open:
                self._service = self._start_service()

    def _register(self) -> None:
        uri = f"http://127.0.0.1:{self.ports['service']}"
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports['admin']}/deployments",
            json.dumps({"uri": uri, "force": True}).encode(),
            {"content-type": "application/json"},
        )
        for attempt in range(120):
            try:
                urllib.request.urlopen(request).read()  # noqa: S310 (our own address)
            except OSError:
                if attempt == 119:
                    raise
                time.sleep(0.25)
            else:
                return

    def close(self) -> None:
        """End both."""
        self._open = False
        for process in (self._service, self._server):
            process.kill()
            process.wait()


class OnRestate(Adapter):
    """A client of the server, on this machine."""

    def run(self, folder: Path, mode: str) -> None:
        """As `Adapter.run`."""
        del mode
        output = Output(folder)
        servers = Servers(folder)
        asyncio.run(self._call_all(servers, folder, output))
        servers.close()

    async def _call_all(self, servers: Servers, folder: Path, output: Output) -> None:
        events = (event for event in inputs(folder) if event[1] not in output.written)
        async with httpx.AsyncClient(base_url=servers.ingress, timeout=120) as client:

            async def work() -> None:
                for key, value in events:
                    output.write([await self._call(client, key, value)])

            await asyncio.gather(*[work() for _ in range(UNDER_WAY)])

    async def _call(self, client: httpx.AsyncClient, key: str, value: int) -> dict[str, Any]:
        headers = {"idempotency-key": f"event-{value}"}
        answer = await client.post(f"/Counter/{key}/count", json=value, headers=headers)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def trips(self, folder: Path, mode: str, count: int) -> list[float]:
        """As `Adapter.trips`."""
        del mode
        servers = Servers(folder)
        trips = asyncio.run(self._trips(servers, count))
        servers.close()
        return trips

    async def _trips(self, servers: Servers, count: int) -> list[float]:
        trips = []
        async with httpx.AsyncClient(base_url=servers.ingress, timeout=120) as client:
            for number in range(count + count // 10):
                began = time.perf_counter()
                await self._call(client, f"key-{number % 1000}", number)
                trips.append((time.perf_counter() - began) * 1e6)
        return trips[count // 10 :]


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        main(OnRestate())
