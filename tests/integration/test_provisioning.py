"""Environments for workers, made by the real tools: what is in them, and how they fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from support.cli import is_dead, wait_for
from support.environments.pythons import (
    from_folder,
    other_python,
    shared_cache,
    slow_project,
    tarred,
    wheel,
)
from support.processes import python
from tamias import EnvironmentSetupError
from tamias.environments.cache import Cache
from tamias.environments.provision import provision
from tamias.environments.spec import EnvironmentSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tamias.environments.launch import Launch

PROVISION = """
import json, sys
from pathlib import Path
from tamias.environments.provision import provision
from tamias.environments.spec import EnvironmentSpec

launch = provision(EnvironmentSpec.of(json.loads(sys.argv[2])), Path(sys.argv[1]))
print(launch.python)
"""


@pytest.fixture(scope="module")
def cache(pytestconfig: pytest.Config) -> Iterator[Path]:
    with shared_cache(pytestconfig) as folder:
        yield folder


@pytest.fixture
def minor() -> str:
    return "{}.{}".format(*other_python().minor)


def made(cache: Path, **asked: Any) -> Launch:
    return provision(EnvironmentSpec.of(asked), cache)


def said_by_worker(launch: Launch, code: str, folders: tuple[str, ...] = ()) -> Any:
    """What an expression comes to where an agent would be."""
    return _said([*launch.command("tamias.worker.process.zygote", folders=folders)], code, launch)


def _said(command: list[str], code: str, launch: Launch) -> Any:
    # The program that starts the worker ends with sys.exit: the expression is looked at then.
    place = command.index("-c") + 1
    command[place] = command[place].replace(
        "sys.exit(start())", f"start()\nimport json, os, sys\nprint(json.dumps({code}))"
    )
    done = subprocess.run(
        command, env=launch.environ, cwd=launch.folder, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def said_by_child(launch: Launch, code: str) -> Any:
    """What an expression comes to in what an agent starts with `sys.executable`."""
    child = f"import json; print(json.dumps({code}))"
    whole = f"__import__('subprocess').check_output([sys.executable, '-c', {child!r}], text=True)"
    return json.loads(said_by_worker(launch, whole))


def find(name: str) -> str:
    return f"__import__('importlib.util').util.find_spec({name!r}) is not None"


def test_the_users_packages_come_first_and_tamias_is_unseen_by_others(
    cache: Path, minor: str, tmp_path: Path
) -> None:
    wheel(tmp_path, "mine", "1.0", {"mine.py": "NUMBER = 1\n"})
    # Our own need, in a version of the user's: his is taken.
    title = "def setproctitle(title): pass\ngetproctitle = str\n"
    wheel(tmp_path, "setproctitle", "1.99", {"setproctitle.py": title})
    required = from_folder(tmp_path, "mine", "setproctitle")
    launch = made(cache, python=minor, requirements=required)
    assert said_by_worker(launch, "sys.version").startswith(minor)
    assert said_by_worker(launch, "__import__('mine').NUMBER") == 1
    assert said_by_worker(launch, "__import__('tamias').__name__") == "tamias"
    file = said_by_worker(launch, "sys.modules['setproctitle'].__file__")
    assert file == str(
        Path(launch.python).parents[1] / f"lib/python{minor}/site-packages/setproctitle.py"
    )
    assert said_by_worker(launch, find("pytest")) is False  # of this test's own environment
    path = said_by_worker(launch, "sys.path")
    assert path[-len(launch.paths) :] == list(launch.paths)
    assert said_by_child(launch, find("mine")) is True
    assert said_by_child(launch, find("tamias")) is False
    assert said_by_child(launch, find("zmq")) is False


def test_a_package_that_is_too_old_for_tamias_is_named(
    cache: Path, minor: str, tmp_path: Path
) -> None:
    wheel(tmp_path, "psutil", "1.0", {"psutil.py": ""})
    with pytest.raises(EnvironmentSetupError) as caught:
        made(cache, python=minor, requirements=from_folder(tmp_path, "psutil"))
    assert "tamias needs psutil>=5.9, and there is psutil 1.0" in caught.value.message


def test_a_package_that_is_too_old_for_what_tamias_brings_is_named(
    cache: Path, minor: str, tmp_path: Path
) -> None:
    wheel(tmp_path, "annotated_types", "0.0.1", {"annotated_types.py": ""})
    with pytest.raises(EnvironmentSetupError) as caught:
        made(cache, python=minor, requirements=from_folder(tmp_path, "annotated-types"))
    assert "its pydantic needs annotated-types>=" in caught.value.message
    assert "and there is annotated-types 0.0.1" in caught.value.message


def test_an_environment_in_which_tamias_cannot_be_imported_shows_why(
    cache: Path, minor: str, tmp_path: Path
) -> None:
    wheel(tmp_path, "orjson", "3.99", {"orjson.py": "raise OSError('no room for orjson')\n"})
    with pytest.raises(EnvironmentSetupError) as caught:
        made(cache, python=minor, requirements=from_folder(tmp_path, "orjson"))
    assert "cannot import tamias's worker" in caught.value.message
    assert "OSError: no room for orjson" in caught.value.message


def test_a_tamias_in_the_environment_is_not_the_one_that_is_used(
    cache: Path, minor: str, tmp_path: Path
) -> None:
    wheel(tmp_path, "tamias", "0.0.1", {"tamias/__init__.py": "raise ImportError('the old one')"})
    launch = made(cache, python=minor, requirements=from_folder(tmp_path, "tamias"))
    assert said_by_worker(launch, "__import__('tamias').__file__").startswith(launch.paths[0])


def test_what_workers_are_given(cache: Path, minor: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("SECRET_OF_THE_LAUNCHER", "secret")
    monkeypatch.setenv("CLOUD_KEY", "key")
    monkeypatch.setenv("PYTHONSTARTUP", "startup")
    monkeypatch.setenv("LC_TIME", "C")
    (tmp_path / "tree" / "lib").mkdir(parents=True)
    (tmp_path / "tree" / "lib" / "inside_module.py").write_text("NUMBER = 2\n")
    archive = tarred(tmp_path / "tree", tmp_path / "code.tgz")
    (tmp_path / "prices.csv").write_text("1;2\n")
    launch = made(
        cache,
        python=minor,
        archives=[str(archive)],
        files=[f"{tmp_path}/prices.csv#today.csv"],
        folder="code",
        pythonpath=["code/lib", str(tmp_path)],
        variables={"A": "b", "LANG": None},
        inherit=["CLOUD_*"],
    )
    files = said_by_worker(launch, "os.environ['TAMIAS_FILES']")
    assert said_by_worker(launch, "os.getcwd()") == f"{files}/code"
    assert Path(files, "today.csv").read_text() == "1;2\n"
    assert said_by_worker(launch, "__import__('inside_module').NUMBER") == 2
    assert said_by_child(launch, "__import__('inside_module').NUMBER") == 2
    variables = said_by_worker(launch, "dict(os.environ)")
    assert variables["A"] == "b"
    assert variables["CLOUD_KEY"] == "key"
    assert variables["LC_TIME"] == "C"
    assert variables["HOME"] == os.environ["HOME"]
    assert variables["PATH"].split(":")[0] == str(Path(launch.python).parent)
    assert {"LANG", "SECRET_OF_THE_LAUNCHER", "PYTHONSTARTUP"}.isdisjoint(variables)


def test_variables_alone_leave_the_launchers_own_interpreter(cache: Path) -> None:
    launch = made(cache, variables={"A": "b"})
    assert launch.python == sys.executable
    assert not launch.is_foreign
    assert said_by_worker(launch, find("pytest")) is True


def test_requirements_on_top_of_a_packed_environment(
    cache: Path, minor: str, tmp_path: Path
) -> None:
    base = other_python()
    venv = tmp_path / "venv"
    subprocess.run([base.path, "-m", "venv", "--without-pip", venv], check=True)
    site = venv / f"lib/python{minor}/site-packages"
    (site / "packed_module.py").write_text("NUMBER = 3\n")
    (site / "both.py").write_text("WHO = 'packed'\n")
    archive = tarred(venv, tmp_path / "packed.tar.gz")
    wheel(tmp_path, "both", "1.0", {"both.py": "WHO = 'required'\n"})
    required = from_folder(tmp_path, "both")
    inside = "packed/bin/python"
    launch = made(cache, python=inside, archives=[str(archive)], requirements=required)
    assert said_by_child(launch, "__import__('packed_module').NUMBER") == 3
    assert said_by_worker(launch, "__import__('both').WHO") == "required"


def test_a_requirement_that_cannot_be_found_changes_nothing(
    cache: Path, minor: str, tmp_path: Path
) -> None:
    wheel(tmp_path, "mine", "1.0", {"mine.py": ""})
    first = made(cache, python=minor, requirements=from_folder(tmp_path, "mine==1.0"))
    before = {entry.name for entry in Cache(cache).entries()}
    folders = {path.name for path in cache.iterdir() if path.is_dir()}
    with pytest.raises(EnvironmentSetupError) as caught:
        made(cache, python=minor, requirements=from_folder(tmp_path, "mine==2.0"))
    assert "Could not install the requirements" in caught.value.message
    assert "No matching distribution found for mine==2.0" in caught.value.message
    assert {entry.name for entry in Cache(cache).entries()} == before
    assert {path.name for path in cache.iterdir() if path.is_dir()} == folders
    assert made(cache, python=minor, requirements=from_folder(tmp_path, "mine==1.0")) == first


def test_a_launcher_that_is_killed_leaves_no_process_and_nothing_that_is_in_the_way(
    cache: Path, minor: str, tmp_path: Path
) -> None:
    project, marks = slow_project(tmp_path), tmp_path / "marks"
    asked = json.dumps({"python": minor, "requirements": [str(project)]})
    begun = marks / "begun"
    with python(PROVISION, cache, asked) as process:
        wait_for(begun.exists)
        tools = psutil.Process(process.pid).children(recursive=True)
        assert len(tools) >= 3  # the guard, pip, and what pip has started
        process.kill()
        process.wait()
        for tool in tools:
            wait_for(lambda tool=tool: is_dead(tool))  # type: ignore[misc]
    (marks / "go").touch()
    launch = provision(EnvironmentSpec.of(json.loads(asked)), cache)
    assert said_by_worker(launch, "__import__('slowly').VERSION") == 1
    assert begun.read_text() == "begun\n" * 2
    name = Path(launch.python).relative_to(cache).parts[0].rpartition("-")[0]
    assert len(list(cache.glob(f"{name}-*"))) == 1  # what the dead one has left is gone


def test_two_launchers_at_once_make_one_environment(
    cache: Path, minor: str, tmp_path: Path
) -> None:
    project, marks = slow_project(tmp_path), tmp_path / "marks"
    asked = json.dumps({"python": minor, "requirements": [str(project)]})
    with python(PROVISION, cache, asked) as one, python(PROVISION, cache, asked) as two:
        wait_for((marks / "begun").exists)
        (marks / "go").touch()
        first, second = one.communicate()[0], two.communicate()[0]
    assert (one.returncode, two.returncode) == (0, 0)
    assert first == second
    assert (marks / "begun").read_text() == "begun\n"
