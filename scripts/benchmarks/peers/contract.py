"""What an adapter of a peer does, and what adapters share.

An adapter is a program `on_NAME.py` that runs with the Python of the peer's own environment:

    on_NAME.py prepare MODE FOLDER        makes what must be there before the first run
    on_NAME.py run MODE FOLDER            counts all inputs; after a kill, the same command goes on
    on_NAME.py trips MODE FOLDER COUNT    prints round trips of single events, in microseconds

FOLDER/in.jsonl has the inputs, one {"key": ..., "value": number} a line. Outputs are lines of JSON
in FOLDER/out.jsonl, or in files of FOLDER/out, one per input: {"key": ..., "value": the input's
number, "count": how many inputs the key has had}. Nothing here knows of tamias.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class Adapter:
    """What `main` calls; the round trip is left out where a peer has none."""

    def prepare(self, folder: Path, mode: str) -> None:
        """Make what must be there before the first run."""

    def run(self, folder: Path, mode: str) -> None:
        """Count all inputs; after a kill it is called again, in a new process."""
        raise NotImplementedError

    def trips(self, folder: Path, mode: str, count: int) -> list[float]:
        """Microseconds from handing in a single event to having its output."""
        raise NotImplementedError


def main(adapter: Adapter) -> None:
    """Do what the command line says."""
    step, mode, folder, *more = sys.argv[1:]
    if step == "prepare":
        adapter.prepare(Path(folder), mode)
    elif step == "run":
        adapter.run(Path(folder), mode)
    else:
        print(json.dumps(adapter.trips(Path(folder), mode, int(more[0]))))


def inputs(folder: Path) -> Iterator[tuple[str, int]]:
    """The inputs: keys and numbers."""
    with (folder / "in.jsonl").open() as lines:
        for line in lines:
            record = json.loads(line)
            yield record["key"], record["value"]


def outputs(folder: Path) -> Iterator[dict[str, Any]]:
    """All outputs that are complete lines, in whatever order they are found."""
    folders = sorted((folder / "out").glob("**/*"))
    for path in (folder / "out.jsonl", *folders):
        if path.is_file() and not path.name.startswith("."):
            for line in path.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    yield json.loads(line)


class Output:
    """A file of outputs for peers that have no sink of their own; goes on where it ended."""

    def __init__(self, folder: Path) -> None:
        path = folder / "out.jsonl"
        written = path.read_bytes() if path.exists() else b""
        whole = written[: written.rfind(b"\n") + 1]
        self.written = {json.loads(line)["value"] for line in whole.splitlines()}
        """The inputs whose outputs are there already."""
        self._file = path.open("r+b" if path.exists() else "wb")
        self._file.seek(len(whole))
        self._file.truncate()

    def write(self, records: list[dict[str, Any]]) -> None:
        """Append outputs, at once as far as a kill of this process is concerned."""
        self._file.write(b"".join(json.dumps(record).encode() + b"\n" for record in records))
        self._file.flush()


def timed(call: Callable[[int], object], count: int) -> list[float]:
    """Microseconds of each of so many calls, after a tenth of them."""
    trips = []
    for number in range(count + count // 10):
        began = time.perf_counter()
        call(number)
        trips.append((time.perf_counter() - began) * 1e6)
    return trips[count // 10 :]
