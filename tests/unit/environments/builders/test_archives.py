"""Interpreters out of archives work where they have been unpacked."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.environments.pythons import other_python, tarred
from tamias import EnvironmentSetupError
from tamias.environments.builders.archives import prepare_interpreter
from tamias.environments.builders.unpacking import unpack

if TYPE_CHECKING:
    from tamias.environments.interpreters import PythonInfo

pytestmark = pytest.mark.process


@pytest.fixture
def base() -> PythonInfo:
    return other_python()


def _venv(base: PythonInfo, folder: Path, *options: str) -> Path:
    """A virtual environment with one module in it."""
    subprocess.run([base.path, "-m", "venv", "--without-pip", *options, folder], check=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    (site / "packed_module.py").write_text("WHERE = __file__\n")
    return folder


def _elsewhere(venv: Path) -> None:
    """Have it say that its base is where there is nothing on this machine."""
    config = venv / "pyvenv.cfg"
    lines = config.read_text().splitlines()
    config.write_text(
        "".join(f"{'home = /nowhere/bin' if line.startswith('home') else line}\n" for line in lines)
    )
    for link in (venv / "bin").iterdir():
        if link.is_symlink() and link.readlink().is_absolute():
            link.unlink()
            link.symlink_to("/nowhere/bin/python3")


def _unpacked_interpreter(archive: Path, folder: Path, inside: str = "env/bin/python") -> str:
    """Unpack it, make it work, and tell where its own module is found."""
    folder.mkdir()
    left_out = unpack(archive, folder / "env")
    interpreter, variables = prepare_interpreter(folder, inside, left_out)
    code = "import packed_module; print(packed_module.WHERE)"
    said = subprocess.run(
        [interpreter.path, "-c", code], env=variables, capture_output=True, text=True, check=True
    )
    return said.stdout.strip()


def test_a_packed_virtual_environment(base: PythonInfo, tmp_path: Path) -> None:
    venv = _venv(base, tmp_path / "venv")
    where = _unpacked_interpreter(tarred(venv, tmp_path / "venv.tar.gz"), tmp_path / "out")
    assert where.startswith(str(tmp_path / "out" / "env" / "lib"))


def test_one_that_was_made_on_a_machine_with_its_python_elsewhere(
    base: PythonInfo, tmp_path: Path
) -> None:
    venv = _venv(base, tmp_path / "venv")
    _elsewhere(venv)
    where = _unpacked_interpreter(tarred(venv, tmp_path / "venv.tar.gz"), tmp_path / "out")
    assert where.startswith(str(tmp_path / "out" / "env" / "lib"))


def test_one_with_a_copy_of_the_interpreter(base: PythonInfo, tmp_path: Path) -> None:
    venv = _venv(base, tmp_path / "venv", "--copies")
    _elsewhere(venv)
    where = _unpacked_interpreter(tarred(venv, tmp_path / "venv.tar.gz"), tmp_path / "out")
    assert where.startswith(str(tmp_path / "out" / "env" / "lib"))


def test_one_that_has_lost_its_configuration(base: PythonInfo, tmp_path: Path) -> None:
    venv = _venv(base, tmp_path / "venv")
    (venv / "pyvenv.cfg").unlink()
    where = _unpacked_interpreter(tarred(venv, tmp_path / "venv.tar.gz"), tmp_path / "out")
    assert where.startswith(str(tmp_path / "out" / "env" / "lib"))


def test_one_in_a_zip_file_that_knows_no_links(base: PythonInfo, tmp_path: Path) -> None:
    venv = _venv(base, tmp_path / "venv")
    archive = shutil.make_archive(str(tmp_path / "venv"), "zip", venv)
    where = _unpacked_interpreter(Path(archive), tmp_path / "out")
    assert where.startswith(str(tmp_path / "out" / "env" / "lib"))


def test_a_folder_deep_in_an_archive(base: PythonInfo, tmp_path: Path) -> None:
    _venv(base, tmp_path / "tree" / "my" / "venv")
    archive = tarred(tmp_path / "tree", tmp_path / "tree.tar.gz")
    where = _unpacked_interpreter(archive, tmp_path / "out", "env/my/venv/bin/python")
    assert where.startswith(str(tmp_path / "out" / "env" / "my"))


def _installation(base: PythonInfo, home: Path) -> Path:
    """As much of an installation as it takes to find its own library."""
    (home / "bin").mkdir(parents=True)
    library = f"python{base.minor[0]}.{base.minor[1]}"
    (home / "lib" / library).mkdir(parents=True)
    for entry in Path(base.base_prefix, "lib", library).iterdir():
        if entry.name != "site-packages":
            (home / "lib" / library / entry.name).symlink_to(entry)
    (home / "lib" / library / "site-packages").mkdir()
    return home


def test_a_whole_installation_finds_its_library_itself(base: PythonInfo, tmp_path: Path) -> None:
    home = _installation(base, tmp_path / "env")
    shutil.copy(Path(base.base).resolve(), home / "bin" / "python")
    interpreter, variables = prepare_interpreter(tmp_path, "env/bin/python", [])
    assert variables == {}
    assert interpreter.prefix == str(home)


def test_an_interpreter_that_does_not_find_its_library_gets_pythonhome(
    base: PythonInfo, tmp_path: Path
) -> None:
    home = _installation(base, tmp_path / "env")
    # It looks for its library beside the file that the link leads to.
    (home / "bin" / "python").symlink_to(Path(base.base).resolve())
    interpreter, variables = prepare_interpreter(tmp_path, "env/bin/python", [])
    assert variables == {"PYTHONHOME": str(home)}
    assert interpreter.prefix == str(home)


def test_the_error_for_a_missing_interpreter_lists_those_in_the_archive(
    base: PythonInfo, tmp_path: Path
) -> None:
    archive = tarred(_venv(base, tmp_path / "venv"), tmp_path / "venv.tar.gz")
    with pytest.raises(EnvironmentSetupError, match="no interpreter env/bin/pyhton") as caught:
        _unpacked_interpreter(archive, tmp_path / "out", "env/bin/pyhton")
    assert "env/bin/python" in caught.value.hint


def test_a_version_that_this_machine_has_not_got_is_named(tmp_path: Path) -> None:
    home = tmp_path / "env"
    (home / "bin").mkdir(parents=True)
    (home / "pyvenv.cfg").write_text("home = /nowhere/bin\nversion = 3.99.1\n")
    (home / "bin" / "python").symlink_to("python3")
    with pytest.raises(EnvironmentSetupError, match=r"No Python 3\.99"):
        prepare_interpreter(tmp_path, "env/bin/python", [])


def test_the_error_for_an_unusable_interpreter_gives_the_reason(tmp_path: Path) -> None:
    (tmp_path / "env" / "bin").mkdir(parents=True)
    fake = tmp_path / "env" / "bin" / "python"
    fake.write_text("#!/bin/sh\necho 'cannot load libpython' >&2; exit 4\n")
    fake.chmod(0o755)
    with pytest.raises(EnvironmentSetupError, match="does not work here") as caught:
        prepare_interpreter(tmp_path, "env/bin/python", [])
    assert "cannot load libpython" in caught.value.message
