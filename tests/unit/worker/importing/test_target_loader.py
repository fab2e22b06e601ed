"""TARGET strings: what they find, and what they say when they find nothing."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tamias.agent.agent import Agent
from tamias.agent.errors import TargetError
from tamias.worker.importing.target_loader import load_target

if TYPE_CHECKING:
    from collections.abc import Iterator

AGENT = """
from tamias.agent.agent import Agent
class Counter(Agent):
    class Inner(Agent):
        pass
built = Counter()
number = 3
def function(): pass
class NotOne: pass
"""
ONE = """
from tamias.agent.agent import Agent
class Base: pass
class Only(Agent): pass
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder of a user's own code; what is imported from it is forgotten afterwards."""
    before, path = set(sys.modules), list(sys.path)
    (tmp_path / "tt_pkg").mkdir()
    (tmp_path / "tt_pkg" / "__init__.py").write_text("")
    (tmp_path / "tt_pkg" / "agents.py").write_text(AGENT)
    (tmp_path / "tt_script.py").write_text(AGENT)
    (tmp_path / "tt_one.py").write_text(ONE)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if name.startswith(("tt_", "tamias_target_")):
            del sys.modules[name]


@pytest.mark.parametrize("location", ["tt_pkg.agents", "tt_script.py", "tt_pkg/agents.py"])
def test_classes_and_instances_are_found(home: Path, location: str) -> None:
    found = load_target(f"{location}:Counter", home)
    assert isinstance(found, type)
    assert issubclass(found, Agent)
    assert isinstance(load_target(f"{location}:built", home), found)
    inner = load_target(f"{location}:Counter.Inner", home)
    assert isinstance(inner, type)
    assert inner.__qualname__ == "Counter.Inner"


def test_the_only_agent_needs_no_name(home: Path) -> None:
    for target in ("tt_one", "tt_one.py", str(home / "tt_one.py"), "tt_one:"):
        found = load_target(target, home)
        assert isinstance(found, type)
        assert found.__name__ == "Only"


def test_several_agents_need_a_name(home: Path) -> None:
    with pytest.raises(TargetError, match=r"several agents: Counter, built.*tt_script.py:Counter"):
        load_target("tt_script.py", home)


def test_an_imported_agent_class_is_not_the_modules_own(home: Path) -> None:
    (home / "tt_user.py").write_text("from tt_one import Only\nclass Mine(Only): pass\n")
    found = load_target("tt_user.py", home)
    assert isinstance(found, type)
    assert found.__name__ == "Mine"
    (home / "tt_none.py").write_text("from tamias.agent.agent import Agent\n")
    with pytest.raises(TargetError, match="defines no agent"):
        load_target("tt_none.py", home)


def test_a_file_finds_its_neighbours_and_its_objects_unpickle_elsewhere(home: Path) -> None:
    (home / "tt_user.py").write_text(
        "import tt_one\nclass Mine(tt_one.Only):\n    pass\nvalue = Mine()\n"
    )
    value = load_target("tt_user.py:value", home)
    data = pickle.dumps(value)
    del sys.modules["tt_user"]
    assert type(pickle.loads(data)).__module__ == "tt_user"


def test_a_file_is_imported_once_however_it_is_named(home: Path) -> None:
    by_file = load_target("tt_script.py:Counter", home)
    assert load_target(str(home / "tt_script.py") + ":Counter") is by_file
    assert load_target("tt_script:Counter", home) is by_file


@pytest.mark.parametrize("name", ["json.py", "tt-dashed.py", "tt_pkg.py"])
def test_a_file_does_not_take_a_modules_place(home: Path, name: str) -> None:
    import json

    load_target("tt_pkg.agents:Counter", home)
    (home / name).write_text(ONE)
    found = load_target(f"{name}:Only", home)
    assert isinstance(found, type)
    assert found.__module__.startswith("tamias_target_")
    assert sys.modules["json"] is json
    assert load_target(f"{name}:Only", home) is found
    (home / "other").mkdir()
    (home / "other" / name).write_text(ONE)
    assert load_target(f"other/{name}:Only", home) is not found
    assert load_target(f"{name}:Only", home) is found


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("tt_nowhere:Counter", "There is no module tt_nowhere"),
        ("tt_pkg.nowhere:Counter", "There is no module tt_pkg.nowhere"),
        ("tt_nowhere.deep:Counter", r"no module tt_nowhere.deep \(there is no tt_nowhere\)"),
        ("nowhere.py:Counter", "There is no file .*/nowhere.py"),
        (":Counter", "names no module"),
        ("", "names no module"),
        ("..relative:Counter", "There is no module"),
        ("tt_script.py:Countre", "has no 'Countre'. Did you mean 'Counter'"),
        ("tt_script.py:Counter.Iner", "Did you mean 'Inner'"),
        ("tt_script.py:zzz", "Check the name. Agents there: Counter, built"),
        ("tt_script.py:number", "of type int, not an agent.*Agents there: Counter"),
        ("tt_script.py:function", "of type function, not an agent"),
        ("tt_script.py:NotOne", "is a class, not an agent"),
    ],
)
def test_what_is_not_there_is_said(home: Path, target: str, complaint: str) -> None:
    with pytest.raises(TargetError, match=complaint):
        load_target(target, home)


@pytest.mark.parametrize("target", ["tt_bad.py:X", "tt_bad:X"])
@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("def helper():\n    return 1 / 0\nhelper()\n", "ZeroDivisionError: division by zero"),
        ("import tt_missing_dependency\n", "No module named 'tt_missing_dependency'"),
        ("def broken(:\n", "SyntaxError"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("raise ValueError('bad')\n", "ValueError: bad"),
    ],
)
def test_code_that_fails_shows_its_own_frames_only(
    home: Path, target: str, code: str, complaint: str
) -> None:
    (home / "tt_bad.py").write_text(code)
    with pytest.raises(TargetError, match="cannot be imported") as caught:
        load_target(target, home)
    message = str(caught.value)
    assert complaint in message
    assert "importlib" not in message
    assert "targets.py" not in message
    if "helper" in code:
        assert "in helper" in message
        assert "return 1 / 0" in message


def test_a_package_that_fails_shows_why(home: Path) -> None:
    (home / "tt_pkg" / "__init__.py").write_text("import tt_missing_dependency\n")
    with pytest.raises(TargetError, match=r"(?s)cannot be imported.*tt_missing_dep") as caught:
        load_target("tt_pkg.agents:Counter", home)
    assert caught.value.hint == (
        f"Install what has 'tt_missing_dependency' for {sys.executable}, or repair the code."
    )


def test_a_file_is_found_again_after_it_was_repaired(home: Path) -> None:
    path = home / "tt_bad.py"
    path.write_text("1 / 0\n")
    with pytest.raises(TargetError):
        load_target("tt_bad.py:Only", home)
    path.write_text(ONE + "# repaired\n")
    assert load_target("tt_bad.py:Only", home)


def test_paths_start_in_the_working_directory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    assert load_target("tt_one.py")
    assert load_target("./tt_pkg/../tt_one.py:Only")
    assert Path.cwd() == home
