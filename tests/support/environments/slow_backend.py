"""The build backend of `environments.slow_project`. MARKS stands for a folder's path."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path

marks = Path(MARKS)  # type: ignore[name-defined]  # noqa: F821
INFO = "slowly-1.0.dist-info"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    with (marks / "begun").open("a") as begun:
        begun.write("begun\n")
    while not (marks / "go").exists():
        time.sleep(0.01)
    name = "slowly-1.0-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory, name), "w") as file:
        file.writestr("slowly.py", "VERSION = 1\n")
        file.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\nName: slowly\nVersion: 1.0\n")
        file.writestr(
            f"{INFO}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{INFO}/RECORD", "")
    return name
