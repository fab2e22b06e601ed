"""tamias, as its documentation says: `tamias run`, which goes on when it is repeated.

Modes: `process` survives the death of processes (the default), `machine` the loss of power too.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from contract import Adapter, main

HERE = Path(__file__).parent.parent


class OnTamias(Adapter):
    """The command line."""

    def run(self, folder: Path, mode: str) -> None:
        """As `Adapter.run`."""
        tamias = Path(sys.executable).with_name("tamias")
        files = ("-i", str(folder / "in.jsonl"), "-o", str(folder / "out.jsonl"))
        options = ("--workers", "2", "--quiet", "--set", f"durability={mode}")
        command = [str(tamias), "run", f"{HERE / 'agents.py'}:Counter", *files, *options]
        subprocess.run(command, check=True)

    def trips(self, folder: Path, mode: str, count: int) -> list[float]:
        """As `Adapter.trips`."""
        del folder
        sys.path.append(str(HERE))
        import measures  # noqa: PLC0415

        return measures.round_trips(count, 1000, 2, durability=mode)


if __name__ == "__main__":
    main(OnTamias())
