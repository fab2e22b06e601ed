"""What the version before the move has left, unpacked; and what would have come of it undisturbed.

`fixtures/before_the_move/make_fixtures.py` tells how it was made.
"""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

from support.cli import Folder

BEFORE = Path(__file__).resolve().parents[2] / "fixtures" / "before_the_move"
TEXTS = {".json", ".log", ".jsonl"}


class Left(Folder):
    """A folder with the agent, and with what an archive holds, if one is named."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        path.mkdir(exist_ok=True)
        super().__init__(path)
        for source in BEFORE.glob("*.py"):
            shutil.copy(source, path)
        if name is not None:
            self._unpack(BEFORE / f"{name}.tar.xz")

    def _unpack(self, archive: Path) -> None:
        with tarfile.open(archive) as tar:
            for member in tar:
                target = self.path / member.name
                file = tar.extractfile(member)
                if file is None:
                    target.mkdir()
                    continue
                data = file.read()
                if target.suffix in TEXTS:
                    data = data.replace(b"{folder}", str(self.path).encode())
                    data = data.replace(b"{python}", sys.executable.encode())
                target.write_bytes(data)

    def open_the_gates(self) -> None:
        """Let no input wait any more."""
        self.write("go", "")
        self.write("late", "")

    def repair(self) -> None:
        """Let no input be trouble any more."""
        self.write("repaired", "")

    def calls(self) -> Counter[str]:
        """How often each durable call was really made, in all versions together."""
        return Counter((self.path / "calls").read_text(encoding="utf-8").splitlines())

    def by_offset(self) -> list[dict[str, Any]]:
        """The lines of the output, in the order of the inputs."""
        return sorted(self.lines(), key=lambda line: int(line["offset"]))

    def read(self, name: str) -> Any:
        """What a JSON file holds."""
        return json.loads((self.path / name).read_text(encoding="utf-8"))
