"""Other Pythons, small packages made on the spot, and a cache that all tests share."""

from __future__ import annotations

import hashlib
import sys
import tarfile
import zipfile
from base64 import urlsafe_b64encode
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tamias.agent.errors import EnvironmentSetupError
from tamias.environments.builders.runtime_layer import layer_entry
from tamias.environments.cache import Cache
from tamias.environments.interpreters import PythonInfo, find

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HERE = "{}.{}".format(*sys.version_info)


@contextmanager
def shared_cache(config: pytest.Config) -> Iterator[Path]:
    """A cache that outlives the session: what tamias brings along is large. The rest goes."""
    assert config.cache is not None
    folder = Path(config.cache.mkdir("environments"))
    cache = Cache(folder)
    for other in other_pythons()[-1:]:
        warm(folder, other)
    yield folder
    for name in cache.names():
        if name.startswith("env-"):
            cache.remove(name)


def warm(cache: Path, interpreter: PythonInfo) -> None:
    """Have the libraries there that tamias brings along: a command need not wait for them."""
    layer_entry(Cache(cache), interpreter, "auto")


@lru_cache
def other_pythons() -> tuple[PythonInfo, ...]:
    """Interpreters of this machine with other minor versions than the one that runs the tests."""
    found = []
    for minor in ("3.10", "3.11", "3.12", "3.13"):
        if minor != HERE:
            try:
                found.append(find(minor))
            except EnvironmentSetupError:
                continue
    return tuple(found)


def other_python() -> PythonInfo:
    """One of them; without any, the test is skipped."""
    if not other_pythons():
        pytest.skip(f"there is no other Python here than {HERE}")
    return other_pythons()[-1]


def wheel(
    folder: Path, name: str, version: str, files: Mapping[str, str], requires: Sequence[str] = ()
) -> Path:
    """Make a wheel of a few modules."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    content = {
        **files,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={_hash(text)},{len(text.encode())}\n" for path, text in content.items()
    )
    content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for member, text in content.items():
            file.writestr(member, text)
    return path


def _hash(text: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def from_folder(folder: Path, *requirements: str) -> list[str]:
    """Requirements that are met from a folder of wheels alone."""
    return ["--no-index", f"--find-links {folder}", *requirements]


def slow_project(folder: Path) -> Path:
    """A package whose building says that it has begun, and waits until it may go on.

    In the folder `marks` beside it: `begun` has a line per building, `go` is waited for.
    """
    project, marks = folder / "slowly", folder / "marks"
    project.mkdir()
    marks.mkdir()
    (project / "pyproject.toml").write_text(
        dedent("""
            [build-system]
            requires = []
            build-backend = "backend"
            backend-path = ["."]
            [project]
            name = "slowly"
            version = "1.0"
        """)
    )
    text = (Path(__file__).parent / "slow_backend.py").read_text(encoding="utf-8")
    (project / "backend.py").write_text(text.replace("MARKS", repr(str(marks))))
    return project


def tarred(folder: Path, path: Path) -> Path:
    """A tar file of what is in a folder."""
    with tarfile.open(path, "w:gz") as file:
        for member in sorted(folder.iterdir()):
            file.add(member, member.name)
    return path
