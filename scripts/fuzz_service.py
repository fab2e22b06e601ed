"""Garbage for the frontend of a service; see scripts/fuzz."""

from __future__ import annotations

import argparse
import random
import socket
import struct
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import zmq

from support.cli import Folder
from support.service.process import Service, serving
from tamias import Client, ServiceTimeoutError
from tamias.service.protocol import frames

NONCE = b"\0fuzzing"
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00%b" + bytes(32)
READY = b"\x04\x26\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"
ROUND = 2000
_U32 = (0, 1, 1 << 31, (1 << 32) - 1)
_U64 = (0, 1 << 63, (1 << 64) - 1)


class Garbage:
    """Frames, none of which anybody would send."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 (repeatable, on purpose)
        self._seeds = [
            frames.pack_hello(NONCE, 1, 1, "fuzz", anonymous=False),
            frames.pack_submit(NONCE, [1, 2, 3], [b"sa", b"i1f", b"n"], [b"1", b"[{}]", b'"x"']),
            frames.pack_submit(NONCE, list(range(1, 40)), [b"sk"] * 39, [b"null"] * 39),
            frames.pack_numbers(b"C", NONCE, [1, 2]),
            frames.pack_replies(NONCE, [1], [b"\x01[1]"]),
            *(frames.pack_count(kind, NONCE, 7) for kind in (b"A", b"T", b"P", b"B", b"O")),
        ]

    def frame(self) -> bytes:
        """A frame: damaged, random, or sound but out of place."""
        dice = self.dice
        kind = dice.random()
        if kind < 0.2:
            return dice.randbytes(dice.randrange(60))
        data = bytearray(dice.choice(self._seeds))
        if kind < 0.3:
            return bytes(data)  # sound, at the wrong moment
        for _ in range(dice.randrange(1, 4)):
            place = dice.randrange(len(data) + 1)
            change = dice.randrange(5)
            if change == 0:
                data[place : place + dice.randrange(9)] = dice.randbytes(dice.randrange(9))
            elif change == 1:
                del data[place:]
            elif change == 2:
                data[place : place + 4] = struct.pack(
                    "<I", dice.choice([0, 1, 1 << 31, (1 << 32) - 1])
                )
            elif change == 3:
                data[place : place + 8] = struct.pack(
                    "<Q", dice.choice([0, 1 << 63, (1 << 64) - 1])
                )
            elif place < len(data):
                data[place] ^= 1 << dice.randrange(8)
        return bytes(data)

    def stream(self) -> bytes:
        """What somebody sends who does not speak ZeroMQ, or claims more than there is."""
        dice = self.dice
        greeting = GREETING % dice.choice([b"NULL".ljust(20, b"\0"), b"CURVE".ljust(20, b"\0")])
        kind = dice.randrange(6)
        if kind == 0:
            return dice.randbytes(dice.randrange(1, 3000))
        if kind == 1:
            return b"POST /control HTTP/1.1\r\nHost: x\r\n\r\n" + dice.randbytes(50)
        if kind == 2:
            return greeting[: dice.randrange(len(greeting))]
        if kind == 3:
            return greeting + dice.randbytes(dice.randrange(1, 500))
        claim = dice.choice([1 << 31, (1 << 63) - 1, (1 << 64) - 1, frames.MAX_FRAME * 2])
        flags = dice.choice([0, 1, 2, 3, 6])
        return greeting + READY + bytes([flags]) + struct.pack(">Q", claim) + dice.randbytes(100)


class Senders:
    """Connections that send frames; each lives for a while only."""

    def __init__(self, address: str, garbage: Garbage) -> None:
        self._context = zmq.Context()
        self._address = address
        self._garbage = garbage
        self.sent = 0

    def round(self, count: int) -> None:
        """A connection sends so many frames, and goes."""
        dice = self._garbage.dice
        sender = self._context.socket(zmq.DEALER)
        sender.setsockopt(zmq.SNDTIMEO, 20_000)
        sender.connect(self._address)
        if dice.random() < 0.7:
            sender.send(
                frames.pack_hello(NONCE, 1, 1, f"fuzz{dice.randrange(20)}", anonymous=False)
            )
        for number in range(count):
            frame = self._garbage.frame()
            if dice.random() < 0.02:
                sender.send_multipart([frame] * dice.randrange(2, 6))
            else:
                sender.send(frame)
            self.sent += 1
            if not number % 50:
                with suppress(zmq.Again):
                    while dice.random() < 0.9:  # some do not read what they are told
                        sender.recv(zmq.NOBLOCK)
        sender.close(linger=20_000)

    def close(self) -> None:
        """Wait until all is sent."""
        self._context.term()


def connect(address: str) -> socket.socket:
    """A raw connection to an address of ZeroMQ's."""
    if address.startswith("ipc://"):
        raw = socket.socket(socket.AF_UNIX)
        raw.connect(address.removeprefix("ipc://"))
        return raw
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    return socket.create_connection((host, int(port)))


def stranger(address: str, folder: Path) -> bool:
    """Whether a client with the server's public key, but unknown keys, is kept out."""
    Folder(folder / "elsewhere").tamias("keys", "new", "others")
    Folder(folder / "elsewhere").tamias("keys", "add", "others", "eve")
    theirs = (folder / "elsewhere" / "eve.key").read_text()
    mine = (folder / "me.key").read_text()
    server = mine.split('"server": "')[1].split('"')[0]
    other = theirs.split('"server": "')[1].split('"')[0]
    (folder / "eve.key").write_text(theirs.replace(other, server))
    try:
        Client(address, keys=folder / "eve.key", timeout=2)
    except ServiceTimeoutError:
        return True
    return False


def healthy(service: Service, number: int) -> None:
    """Somebody who behaves is served."""
    with Client(service.state, timeout=60) as client:
        if client.submit("good", number).result(60)[0][0] != number:
            raise SystemExit("somebody got another's outputs")


def highest_rss(pid: int) -> int:
    """The most memory that a process has had so far, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def fuzz(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Run it; returns the figures."""
    garbage = Garbage(arguments.seed)
    (folder / "elsewhere").mkdir()
    keys = Folder(folder)
    keys.tamias("keys", "new", "keys")
    keys.tamias("keys", "add", "keys", "me")
    with serving(folder, "--listen", "tcp://127.0.0.1:*", "--keys", "keys") as service:
        told = service.told()
        launcher = psutil.Process(service.process.pid)
        healthy(service, 0)
        before = launcher.memory_info().rss
        began = time.monotonic()
        senders = Senders(told["address"], garbage)
        checks = streams = 0
        while senders.sent < arguments.frames:
            senders.round(min(ROUND, arguments.frames - senders.sent))
            for address in (told["address"], told["listen"]):
                for _ in range(arguments.streams * ROUND // arguments.frames // 2 + 1):
                    with suppress(OSError), connect(address) as raw:
                        raw.settimeout(0.001)
                        raw.sendall(garbage.stream())
                        streams += 1
                        raw.recv(100)
            if not checks or senders.sent // 50_000 >= checks:
                checks += 1
                healthy(service, checks)
        senders.close()
        healthy(service, -1)
        seconds = time.monotonic() - began
        kept_out = stranger(told["listen"], folder)
        with Client(told["listen"], keys=folder / "me.key") as client:
            client.submit("good", "remote").result(60)
        time.sleep(2)
        after, told = launcher.memory_info().rss, service.told()
        peak = highest_rss(launcher.pid)
        deaths = service.folder.tamias("status", "state", "--json").stdout
        service.end()
    return {
        "frames": senders.sent,
        "malformed, dropped": told["malformed"],
        "raw streams": streams,
        "unauthorised": told["unauthorised"],
        "a stranger is kept out": kept_out,
        "well-behaved meanwhile": f"{checks} of {checks} served",
        "submissions it held": told["accepted"],
        "worker deaths": deaths.partition('"deaths":')[2].partition(",")[0].strip(),
        "memory before, MiB": before >> 20,
        "memory after, MiB": after >> 20,
        "memory at most, MiB": peak >> 20,
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--streams", type=int, default=5000, help="raw connections")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = fuzz(arguments, Path(folder))
    for name, value in figures.items():
        print(f"{name:24}{value}")
    if not figures["a stranger is kept out"]:
        raise SystemExit("a stranger came in")


if __name__ == "__main__":
    main()
