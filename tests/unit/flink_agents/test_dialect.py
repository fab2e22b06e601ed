"""A program's dialect: from what it uses, from its project, from the environment."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tamias import AgentDefinitionError, ConfigError
from tamias.flink_agents import dialect as dialects
from tamias.flink_agents.dialect import dialect_of_program

SKILLS = "from flink_agents.api.skills import Skills\n"  # 0.3 and 0.4
MEMORY_EVENTS = "from flink_agents.api.events import memory_event\n"  # 0.4
COLLECTION = "from flink_agents.api.vector_stores.vector_store import Collection\n"  # 0.2
ALL_HAVE = "from flink_agents.api.events.event import InputEvent\n"


def written(folder: Path, text: str, name: str = "program.py") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "0.3"),
        (ALL_HAVE, "0.3"),
        (COLLECTION, "0.2"),
        (SKILLS, "0.3"),
        (MEMORY_EVENTS, "0.4"),
        ("import flink_agents.api.events.memory_event\n", "0.4"),
        ("import flink_agents.api.vector_stores.vector_store as v\nx = v.Collection\n", "0.2"),
        (
            "from flink_agents.api.vector_stores import vector_store\nvector_store.Collection\n",
            "0.2",
        ),
        (
            "import flink_agents.api.core_options\nx = flink_agents.api.core_options.LoggerType\n",
            "0.3",
        ),
        ("from flink_agents.api.events.memory_event import *\n", "0.4"),
        ("import importlib\nimportlib.import_module('flink_agents.api.events.run_event')\n", "0.4"),
        ("from importlib import import_module as load\nload('flink_agents.api')\n", "0.3"),
        (f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {MEMORY_EVENTS}", "0.4"),
        (f"if __name__ == '__main__':\n    {MEMORY_EVENTS}", "0.4"),
        (f"def later():\n    {MEMORY_EVENTS}", "0.4"),
    ],
)
def test_what_a_program_imports_says_it(tmp_path: Path, text: str, expected: str) -> None:
    assert dialect_of_program(written(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@action(InputEvent)\ndef act(event, ctx): ...\n", "0.2"),
        ("class Mine: ...\n@action(Mine)\nasync def act(event, ctx): ...\n", "0.2"),
        ("@action(InputEvent.EVENT_TYPE)\ndef act(event, ctx): ...\n", "0.3"),
        ("@action('mine')\ndef act(event, ctx): ...\n", "0.3"),
        ("MINE = 'mine'\n@action(MINE)\ndef act(event, ctx): ...\n", "0.3"),
        ("agent.add_action('a', trigger_conditions=['mine'], func=act)\n", "0.4"),
        ("@tool(injected_args=[])\ndef act(): ...\n", "0.4"),
        ("ctx.long_term_memory.get_or_create_memory_set('a', str, 5)\n", "0.2"),
    ],
)
def test_how_a_program_uses_common_names_says_it_too(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert dialect_of_program(written(tmp_path, ALL_HAVE + text)) == expected


def test_forms_in_programs_without_flink_agents_say_nothing(tmp_path: Path) -> None:
    assert dialect_of_program(written(tmp_path, "x.run(trigger_conditions=1)\n")) == "0.3"


@pytest.mark.parametrize(
    "text",
    [
        f"try:\n    {MEMORY_EVENTS}except ImportError:\n    memory_event = None\n",
        f"try:\n    {SKILLS}except ImportError:\n    {COLLECTION}",
        f"try:\n    {MEMORY_EVENTS}except (ValueError, ModuleNotFoundError):\n    pass\n",
        f"try:\n    {MEMORY_EVENTS}except:\n    pass\n",
    ],
)
def test_imports_that_may_fail_do_not_count(tmp_path: Path, text: str) -> None:
    assert dialect_of_program(written(tmp_path, text)) == "0.3"
    assert dialect_of_program(written(tmp_path, COLLECTION + text)) == "0.2"


def test_other_handlers_make_no_import_optional(tmp_path: Path) -> None:
    program = written(tmp_path, f"try:\n    {MEMORY_EVENTS}except ValueError:\n    pass\n")
    assert dialect_of_program(program) == "0.4"


def test_both_sides_of_a_condition_may_have_names_of_their_own(tmp_path: Path) -> None:
    text = f"if NEW:\n    {MEMORY_EVENTS}else:\n    {COLLECTION}"
    assert dialect_of_program(written(tmp_path, SKILLS + text)) == "0.4"
    assert dialect_of_program(written(tmp_path, COLLECTION + text)) == "0.2"


def test_a_mixture_is_refused_with_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, f"\n\n{MEMORY_EVENTS}", "parts/other.py")
    program = written(
        tmp_path,
        f"import parts.other\nfrom flink_agents.api.skills import (\n    Skills,\n)\n{COLLECTION}",
    )
    with pytest.raises(AgentDefinitionError) as caught:
        dialect_of_program(program)
    assert "program.py:3: api.skills.Skills is of 0.3 and 0.4" in str(caught.value)
    assert "program.py:5: api.vector_stores.vector_store.Collection is of 0.2" in str(caught.value)
    program.write_text(f"import parts.other\n{COLLECTION}")
    with pytest.raises(AgentDefinitionError) as caught:
        dialect_of_program(program)
    assert "parts/other.py:3: api.events.memory_event is of 0.4" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("import helper\n", {"helper.py": MEMORY_EVENTS}),
        ("import parts.one\n", {"parts/__init__.py": "", "parts/one.py": MEMORY_EVENTS}),
        ("import parts.one\n", {"parts/__init__.py": MEMORY_EVENTS, "parts/one.py": ""}),
        ("from parts import one\n", {"parts/__init__.py": "", "parts/one.py": MEMORY_EVENTS}),
        ("from parts.one import x\n", {"parts/__init__.py": "", "parts/one.py": MEMORY_EVENTS}),
        (
            "import parts.one\n",
            {
                "parts/one.py": "from . import two\n",
                "parts/two.py": "from .deep.three import x\n",
                "parts/deep/three.py": "from .. import four\n",
                "parts/four.py": MEMORY_EVENTS,
            },
        ),
        ("import importlib\nimportlib.import_module('helper')\n", {"helper.py": MEMORY_EVENTS}),
        ("import one\n", {"one.py": "import two\n", "two.py": "import one\n" + MEMORY_EVENTS}),
        ("import broken\nimport helper\n", {"broken.py": "def (", "helper.py": MEMORY_EVENTS}),
    ],
)
def test_modules_beside_the_program_count(tmp_path: Path, text: str, files: dict[str, str]) -> None:
    for name, content in files.items():
        written(tmp_path, content, name)
    assert dialect_of_program(written(tmp_path, text)) == "0.4"


def test_modules_of_pythonpath_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "library"))
    written(tmp_path, COLLECTION, "library/stores.py")
    assert dialect_of_program(written(tmp_path, "import stores\n", "a/program.py")) == "0.2"


def test_the_project_says_it(tmp_path: Path) -> None:
    written(
        tmp_path,
        '[project]\nname = "x"\n[tool.tamias.flink-agents]\ndialect = "0.2"\n',
        "pyproject.toml",
    )
    assert dialect_of_program(written(tmp_path, SKILLS, "src/program.py")) == "0.2"
    written(tmp_path, '[tool.tamias.flink-agents]\n[tool.x]\ndialect = "0.2"\n', "pyproject.toml")
    assert dialect_of_program(tmp_path / "src/program.py") == "0.3"
    written(tmp_path, '[tool.tamias.flink-agents]\ndialect = "1"\n', "pyproject.toml")
    with pytest.raises(ConfigError, match=r"pyproject\.toml: dialect is '1'"):
        dialect_of_program(tmp_path / "src/program.py")


def test_the_version_that_is_installed_decides_where_the_program_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialects, "version", lambda name: "0.2.1")
    assert dialect_of_program(written(tmp_path, ALL_HAVE)) == "0.2"
    assert dialect_of_program(written(tmp_path, SKILLS)) == "0.3"
    monkeypatch.setattr(dialects, "version", lambda name: "1.0")
    assert dialect_of_program(written(tmp_path, ALL_HAVE)) == "0.3"


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(dialects.VARIABLE, "0.2")
    dialects.dialect.cache_clear()
    assert dialects.dialect() == "0.2"
    monkeypatch.setenv(dialects.VARIABLE, "0.9")
    dialects.dialect.cache_clear()
    with pytest.raises(ConfigError, match=r"TAMIAS_FLINK_AGENTS is '0\.9'"):
        dialects.dialect()
    monkeypatch.undo()
    dialects.dialect.cache_clear()


def test_a_program_without_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert dialect_of_program(None, MEMORY_EVENTS) == "0.4"
    assert dialect_of_program(None, "%pip install x\n" + MEMORY_EVENTS) == "0.3"
