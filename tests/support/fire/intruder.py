"""Another user of this machine, who attacks a pool; started as one by `setpriv`.

python intruder.py flood SECONDS PID  connects to the socket of the pool of launcher PID
python intruder.py squat SECONDS PID  takes that name when the launcher has ended, and listens
python intruder.py bind NAME          takes an abstract name, and sends who connects an answer
python intruder.py read PATH ...      tries to read these files and directories

Writes one line of JSON: what it has achieved.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path


def names(pid: int) -> list[str]:
    """The abstract sockets of a pool: any user can list them."""
    lines = Path("/proc/net/unix").read_text(errors="replace").splitlines()
    found = {line.rpartition(" ")[2] for line in lines if f" @tamias-{pid}-" in line}
    return sorted(name.removeprefix("@") for name in found)


def flood(seconds: float, pid: int) -> dict[str, object]:
    """Connect again and again, and send as much as there is room for."""
    found = names(pid)
    connected = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name in found:
            with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(0.1)
                connection.connect(f"\0{name}")
                connected += 1
                connection.send(b"i" * 16 + (1 << 30).to_bytes(8, "little"))
                connection.send(b"y" * 1_000_000)
    return {"sockets": len(found), "connected": connected}


def squat(seconds: float, pid: int) -> dict[str, object]:
    """Take the names of a pool whose launcher is dead; return what its workers send here."""
    taken = names(pid)
    while Path(f"/proc/{pid}").exists() and not _is_zombie(pid):
        time.sleep(0.001)
    listeners = []
    for name in taken:
        listener = socket.socket(socket.AF_UNIX)
        for _ in range(200):
            try:
                listener.bind(f"\0{name}")
            except OSError:
                time.sleep(0.005)
                continue
            listener.listen()
            listener.settimeout(0.05)
            listeners.append(listener)
            break
    messages = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for listener in listeners:
            with suppress(TimeoutError):
                connection, _ = listener.accept()
                connection.settimeout(0.05)
                messages += bool(connection.recv(100))
    return {"bound": len(listeners), "messages": messages}


def _is_zombie(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def read(paths: list[str]) -> dict[str, object]:
    """Try to read files and to list directories."""
    readable = []
    for path in paths:
        with suppress(OSError):
            os.listdir(path) if Path(path).is_dir() else Path(path).read_bytes()  # noqa: PTH208
            readable.append(path)
    return {"readable": readable}


def bind(name: str) -> dict[str, object]:
    """Take an abstract name; answer the first that connects as a JVM's host process would."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        write({"bound": name})
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            asked = connection.recv(1 << 16)
            connection.sendall(json.dumps({"address": ["127.0.0.1", 1, "token", "x"]}).encode())
            connection.sendall(b"\n")
            return {"asked": asked.decode()}
    return {"asked": ""}


def write(result: dict[str, object]) -> None:
    """Write a line of JSON."""
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do what the arguments say."""
    what, *rest = sys.argv[1:]
    if what == "flood":
        result = flood(float(rest[0]), int(rest[1]))
    elif what == "squat":
        result = squat(float(rest[0]), int(rest[1]))
    elif what == "bind":
        result = bind(rest[0])
    else:
        result = read(rest)
    write({"uid": os.getuid(), **result})
    os._exit(0)


if __name__ == "__main__":
    main()
