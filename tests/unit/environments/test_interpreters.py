"""Which Python is meant, and what becomes of one that is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.environments.pythons import HERE, other_python
from tamias import EnvironmentSetupError
from tamias.environments.interpreters import find

pytestmark = pytest.mark.process


def test_a_path_is_that_interpreter() -> None:
    found = find(sys.executable)
    assert found.path == sys.executable
    assert found.minor == sys.version_info[:2]


def test_nothing_is_the_launchers_without_its_virtual_environment() -> None:
    found = find("")
    assert found.minor == sys.version_info[:2]
    assert not found.is_virtual


def test_a_version_is_found_and_is_no_virtual_environment() -> None:
    other = other_python()
    found = find("{}.{}".format(*other.minor))
    assert found.minor == other.minor
    assert find(other.version).version == other.version
    assert not found.is_virtual


def test_a_virtual_environment_on_path_is_not_taken_for_a_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    assert not find(HERE).is_virtual


def test_one_of_another_version_does_not_hide_what_it_was_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = other_python()
    subprocess.run([other.path, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    monkeypatch.setenv("PATH", str(tmp_path / "venv" / "bin"), prepend=os.pathsep)
    found = find("{}.{}".format(*other.minor))
    assert found.minor == other.minor
    assert not found.is_virtual
    assert find("python").base == other.base  # by name it is the one on PATH


def test_a_name_is_searched_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mypython").symlink_to(find("").path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find("mypython").path == str(tmp_path / "mypython")


@pytest.mark.parametrize("version", ["3.99", "2.5", "3.11.99"])
def test_the_error_for_a_missing_version_lists_those_that_exist(version: str) -> None:
    with pytest.raises(EnvironmentSetupError, match=f"No Python {version}") as caught:
        find(version)
    assert f"{HERE}" in caught.value.hint


def test_a_path_to_nothing() -> None:
    with pytest.raises(EnvironmentSetupError, match="There is no interpreter /nowhere/python"):
        find("/nowhere/python")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("#!/bin/sh\necho 'cannot load libpython' >&2; exit 4\n", "ended with code 4"),
        ("#!/bin/sh\necho 'cannot load libpython' >&2; exit 4\n", "cannot load libpython"),
        ("#!/bin/sh\necho hello\n", "ended with code 0"),
        ("#!/nowhere/sh\n", "No such file"),
        ("not a program", "format error"),
    ],
)
def test_a_program_that_is_not_python_is_an_error(tmp_path: Path, text: str, told: str) -> None:
    fake = tmp_path / "python"
    fake.write_text(text)
    fake.chmod(0o755)
    with pytest.raises(EnvironmentSetupError) as caught:
        find(str(fake))
    assert told in caught.value.message


def test_a_file_without_execute_permission_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("")
    with pytest.raises(EnvironmentSetupError, match="Permission denied"):
        find(str(tmp_path / "python"))


def test_a_python_that_is_too_old_or_no_cpython_is_refused(tmp_path: Path) -> None:
    fake = tmp_path / "python"
    said = (
        '{"version": "3.9.18", "executable": "x", "base": "x", "prefix": "x", "base_prefix": "x", '
        '"abi": "x", "implementation": "cpython", "site": ["x"]}'
    )
    fake.write_text(f"#!/bin/sh\necho '{said}'\n")
    fake.chmod(0o755)
    with pytest.raises(
        EnvironmentSetupError, match=r"cpython 3\.9\.18; tamias needs CPython 3\.10"
    ):
        find(str(fake))
