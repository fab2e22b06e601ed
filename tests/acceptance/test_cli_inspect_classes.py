"""Looking at values of the agent's own classes, from anywhere."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from support.cli import PATIENCE, TAMIAS, Folder

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
import dataclasses
import sys

from tamias import Agent, AgentsExecutionEnvironment, InputEvent, OutputEvent, action

from parts.things import Thing

print("this module prints when it is imported")


@dataclasses.dataclass
class Own:
    n: int


class Gone:
    def __init__(self, n):
        self.n = n

    def __repr__(self):
        raise LookupError


class Remembering(Agent):
    @action(InputEvent)
    @staticmethod
    def remember(event, ctx):
        memory = ctx.short_term_memory
        memory.set("plain", 1)
        memory.set("deep.thing", Thing(2))
        memory.set("own", Own(3))
        memory.set("gone", Gone(4))
        if isinstance(event.input, Thing):
            raise ValueError("no things")


def main():
    env = AgentsExecutionEnvironment.get_execution_environment(
        workers=1, state_dir="out.jsonl.tamias", on_error="dead-letter"
    )
    env.from_list([{"key": "k0", "value": 0}, {"key": "k0", "value": Thing(5)}]).apply(
        Remembering
    ).to_list()
    env.execute()
"""
THINGS = """
import dataclasses


@dataclasses.dataclass
class Thing:
    n: int
"""

WAYS = {
    "file": ("turtle", ("run", "agents/turtle.py:Remembering")),  # a module of Python hides it
    "module": ("shop", ("run", "agents.shop:Remembering")),
    "program": ("shop", ()),
}


@pytest.fixture(params=WAYS)
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Folder:
    """A folder in which the agent was run in one of these ways."""
    folder = Folder(tmp_path)
    for path in ("agents/parts", "elsewhere"):
        (tmp_path / path).mkdir(parents=True)
    folder.write("agents/parts/__init__.py", "")
    folder.write("agents/parts/things.py", THINGS)
    name, command = WAYS[request.param]
    folder.write(f"agents/{name}.py", AGENT)
    if command:
        folder.inputs([0], keys=1)
        where: dict[str, Any] = {}
        if request.param == "module":
            where["PYTHONPATH"] = str(tmp_path / "agents")
        folder.tamias(*command, "-i", "in.jsonl", "-o", "out.jsonl", "--workers", 1, **where)
    else:
        code = "import sys; sys.path.insert(0, 'agents'); import shop; shop.main()"
        python = TAMIAS.with_name("python")
        subprocess.run([python, "-c", code], cwd=tmp_path, check=True, timeout=PATIENCE)
    return folder


def look(folder: Folder, *arguments: object) -> Any:
    """What a command prints as JSON that is run in another folder."""
    done = subprocess.run(
        [TAMIAS, *map(str, arguments), "--json"],
        cwd=folder.path / "elsewhere",
        check=True,
        timeout=PATIENCE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout)


def test_values_of_the_agents_classes_are_shown_from_anywhere(folder: Folder) -> None:
    state = folder.path / "out.jsonl.tamias"
    memory = look(folder, "inspect", state, "--key", "k0")["short_term"]
    assert (memory["plain"], memory["deep"], memory["own"]) == (1, {"thing": {"n": 2}}, {"n": 3})
    assert memory["gone"].endswith("Gone, whose repr raises LookupError>")
    (folder.path / "agents" / "parts" / "things.py").write_text("", encoding="utf-8")
    memory = look(folder, "inspect", state, "--key", "k0")["short_term"]
    assert memory["plain"] == 1
    assert memory["deep"]["thing"].startswith("<not readable here: AttributeError: ")
    assert "Thing" in memory["deep"]["thing"]
    assert memory["deep"]["thing"].endswith(" bytes)>")


def test_inputs_of_the_agents_classes_are_shown_from_anywhere(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "agents" / "parts").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    folder.write("agents/parts/things.py", THINGS)
    folder.write("agents/shop.py", AGENT)
    code = "import sys; sys.path.insert(0, 'agents'); import shop; shop.main()"
    subprocess.run(
        [TAMIAS.with_name("python"), "-c", code], cwd=tmp_path, check=True, timeout=PATIENCE
    )
    shown = look(folder, "dead-letters", "show", tmp_path / "out.jsonl.tamias", 1)
    assert shown["input"] == {"n": 5}
