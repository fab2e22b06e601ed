"""`tamias flink-agents run`, `check` and `migrate`, as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

pytestmark = pytest.mark.process

PROGRAM = """
from flink_agents.api.agents.agent import Agent
from flink_agents.api.decorators import action
from flink_agents.api.events.event import Event, InputEvent, OutputEvent
from flink_agents.api.execution_environment import AgentsExecutionEnvironment
from flink_agents.api.runner_context import RunnerContext


class Where(Agent):
    @action(InputEvent.EVENT_TYPE)
    @staticmethod
    def act(event: Event, ctx: RunnerContext) -> None:
        import os

        import flink_agents

        place = [os.getpid(), flink_agents.__file__, os.environ["TAMIAS_FLINK_AGENTS"]]
        ctx.send_event(OutputEvent(output=place))


def main() -> None:
    import json
    import os
    import sys

    environment = AgentsExecutionEnvironment.get_execution_environment()
    outputs = environment.from_list([{"key": "k", "value": 1}]).apply(Where()).to_list()
    environment.execute()
    print(json.dumps([os.getpid(), sys.argv[1:], outputs[0]["k"]]))


if __name__ == "__main__":
    main()
"""

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        inherited = {k: v for k, v in os.environ.items() if k != "TAMIAS_FLINK_AGENTS"}
        return subprocess.run(
            [sys.executable, "-m", "tamias", "flink-agents", *words],
            cwd=tmp_path,
            env={**inherited, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def written(folder: Path, text: str, name: str = "program.py") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "words", "dialect"),
    [
        ("program.py", ["program.py", "--words", "--dialect", "x"], "0.3"),
        ("other/folder/program.py", ["--dialect", "0.4", "other/folder/program.py"], "0.4"),
        ("package/part/program.py", ["-m", "package.part.program", "--words"], "0.3"),
        ("package/__main__.py", ["--dialect", "0.2", "-m", "package"], "0.2"),
    ],
)
def test_programs_and_their_workers_have_the_modules(
    tmp_path: Path, command: Command, name: str, words: list[str], dialect: str
) -> None:
    text = PROGRAM.replace("InputEvent.EVENT_TYPE", "InputEvent") if dialect == "0.2" else PROGRAM
    written(tmp_path, text, name)
    done = command("run", *words)
    assert done.returncode == 0, done.stderr
    launcher, given, (worker, module, told) = json.loads(done.stdout.splitlines()[-1])
    assert launcher != worker
    assert Path(module).parts[-4:] == ("flink_agents", "package", "flink_agents", "__init__.py")
    assert told == dialect
    last = words[-1]
    assert given == ([] if last.endswith((".py", "package")) else words[words.index("--words") :])


def test_agents_of_modules_in_other_folders(tmp_path: Path, command: Command) -> None:
    written(tmp_path, PROGRAM, "library/agents.py")
    written(
        tmp_path, "import agents\n\nif __name__ == '__main__':\n    agents.main()\n", "a/main.py"
    )
    done = command("run", "a/main.py", PYTHONPATH=str(tmp_path / "library"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])[2][2] == "0.3"


def test_the_exit_code_is_the_programs(tmp_path: Path, command: Command) -> None:
    written(tmp_path, "import flink_agents.api\nraise SystemExit(7)\n")
    assert command("run", "program.py").returncode == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "There is no program."),
        (["run", "missing.py"], "missing.py cannot be read"),
        (["run", "-m", "missing.module"], "no module missing.module"),
        (["run", "--bogus", "program.py"], "No such option: --bogus"),
        (["run", "--dialect", "0.9", "program.py"], "--dialect 0.9 is not known."),
        (["run", "broken.py"], "broken.py:1: "),
        (["run", "mixed.py"], "mixed.py:2: api.vector_stores.vector_store.Collection is of 0.2"),
        (["check", "missing.py"], "missing.py cannot be read"),
        (["migrate", "broken.py"], "broken.py:1: "),
    ],
)
def test_mistakes_are_one_message(
    tmp_path: Path, command: Command, words: list[str], message: str
) -> None:
    written(tmp_path, "", "program.py")
    written(tmp_path, "def (", "broken.py")
    mixed = "from flink_agents.api.skills import Skills\n"
    mixed += "from flink_agents.api.vector_stores.vector_store import Collection\n"
    written(tmp_path, mixed, "mixed.py")
    done = command(*words)
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_python_c_has_the_dialect_of_its_text(tmp_path: Path) -> None:
    package = Path(__file__).parents[3] / "flink_agents" / "package"
    environment = {k: v for k, v in os.environ.items() if k != "TAMIAS_FLINK_AGENTS"}
    text = "import flink_agents.api.events.event_type\n"
    text += "from tamias.flink_agents.dialect import dialect\nprint(dialect())"
    for words, expected in ((["-c", text], "0.4"), (["-c", text.split("\n", 1)[1]], "0.3")):
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(package)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected
    done = subprocess.run(
        [sys.executable, "-i", "-q"],
        input="from tamias.flink_agents.dialect import dialect\nprint(dialect())\n",
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "0.3"


def test_check_names_what_is_missing_and_what_differs(tmp_path: Path, command: Command) -> None:
    written(tmp_path, "from flink_agents.api.resource import Nothing\n", "helper.py")
    program = """
    import helper
    import flink_agents.api.nowhere
    import flink_agents.api.events.event as events
    from flink_agents.api.agents.agent import Agent
    try:
        from flink_agents.api.agents.agent import Newer
    except ImportError:
        Newer = None

    class A(events.Event): ...
    class B(events.Elsewhere): ...
    NAME = "flink_agents.integrations.chat_models.nobody.NobodyChatModel"
    KNOWN = "flink_agents.api.agents.agent.Agent"
    PROGRAM = "flink_agents.examples.quickstart.resources"

    async def act(event, ctx):
        await ctx.durable_execute_async(print)
        ctx.durable_execute(print)
        config.set_str("kafkaBootstrapServers", "x")
    """
    written(tmp_path, program)
    done = command("check", "program.py")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "helper.py:1: missing: flink_agents.api.resource has no Nothing"
    assert lines[-1] == "program.py: Flink Agents 0.3, 2 files, 4 missing"
    shown = {(line.split(":")[1], line.split(": ")[1]) for line in lines[1:-1]}
    assert shown == {
        ("3", "missing"),
        ("7", "differs"),
        ("12", "missing"),
        ("13", "missing"),
        ("18", "differs"),
        ("19", "differs"),
        ("20", "differs"),
    }
    as_json = [
        json.loads(line) for line in command("check", "--json", "program.py").stdout.splitlines()
    ]
    assert as_json[0] == {
        "path": "helper.py",
        "line": 1,
        "kind": "missing",
        "text": "flink_agents.api.resource has no Nothing",
    }
    assert as_json[-1] == {"program": "program.py", "dialect": "0.3", "files": 2, "missing": 4}


def test_check_of_a_program_that_is_whole(tmp_path: Path, command: Command) -> None:
    written(tmp_path, PROGRAM)
    done = command("check", "program.py")
    assert (done.returncode, done.stdout) == (
        0,
        "program.py: Flink Agents 0.3, 1 file, nothing is missing\n",
    )


def test_check_of_a_mixture(tmp_path: Path, command: Command) -> None:
    mixed = "from flink_agents.api.events.event_type import EventType\n"
    mixed += "from flink_agents.api.vector_stores.vector_store import Collection\n"
    written(tmp_path, mixed)
    done = command("check", "program.py")
    assert done.returncode == 1
    assert "program.py:2: api.vector_stores.vector_store.Collection is of 0.2" in done.stdout
    assert done.stdout.endswith("no single version, 1 file, 1 missing\n")


def test_a_migrated_program_runs_without_the_modules(tmp_path: Path, command: Command) -> None:
    program = written(
        tmp_path,
        PROGRAM.replace("import flink_agents\n", "import tamias as flink_agents\n").replace(
            'os.environ["TAMIAS_FLINK_AGENTS"]', "''"
        ),
    )
    shown = command("migrate", "program.py")
    assert shown.returncode == 0, shown.stderr
    assert "+from tamias import Event, InputEvent, OutputEvent\n" in shown.stdout
    assert "flink_agents.api" in program.read_text()
    assert command("migrate", "--write", "program.py").stdout == shown.stdout
    assert "flink_agents.api" not in program.read_text()
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])[2][1].endswith("__init__.py")
    assert command("migrate", "program.py").stdout == ""


def test_migrate_changes_imports_and_nothing_else(tmp_path: Path, command: Command) -> None:
    program = written(
        tmp_path,
        '''\
        """Text with flink_agents.api in it."""  # ünïcode
        import os, flink_agents.api.events.event as ev  # events
        import flink_agents.api.runner_context
        from flink_agents.api import decorators, resource as res
        from flink_agents.api.agents.agent import Agent as Base; x = 1
        from flink_agents.api.events.event import (  # opened
            Event,  # one
            # two
            InputEvent as In,
        )
        def f():
            from flink_agents.api.resource import (
                ResourceType,  # kept
                Unknown,  # gone
            )
            from flink_agents.api.agents.agent import *
            def g(ctx: flink_agents.api.runner_context.RunnerContext) -> "ev.Event":
                return ev.OutputEvent(output=res.ResourceType), decorators.action
        NAME = "flink_agents.api.agents.agent.Agent"
        ''',
    )
    done = command("migrate", "--write", "program.py")
    assert done.returncode == 1
    assert program.read_text(encoding="utf-8") == dedent('''\
        """Text with flink_agents.api in it."""  # ünïcode
        import os, tamias as ev  # events
        import tamias
        import tamias as decorators
        import tamias as res
        from tamias import Agent as Base; x = 1
        from tamias import (  # opened
            Event,  # one
            # two
            InputEvent as In,
        )
        def f():
            from tamias import (
                ResourceType,  # kept
            )
            from flink_agents.api.resource import (
                Unknown,  # gone
            )
            from flink_agents.api.agents.agent import *
            def g(ctx: tamias.RunnerContext) -> "ev.Event":
                return ev.OutputEvent(output=res.ResourceType), decorators.action
        NAME = "flink_agents.api.agents.agent.Agent"
        ''')
    assert done.stderr.splitlines() == [
        "program.py:14: left: flink_agents.api.resource.Unknown",
        "program.py:16: left: flink_agents.api.agents.agent.*",
        "program.py:19: left: the text 'flink_agents.api.agents.agent.Agent'",
    ]


def test_migrate_leaves_a_module_of_which_a_use_stays(tmp_path: Path, command: Command) -> None:
    text = "import flink_agents.api.resource as r\nr.Unknown\nr.ResourceType\nprint(r)\n"
    program = written(tmp_path, text)
    written(tmp_path, "import flink_agents.api.agents\n", "beside.py")
    written(
        tmp_path, "import beside\nfrom flink_agents.api.agents.agent import Agent\r\n", "two.py"
    )
    done = command("migrate", "--write", "program.py", "two.py")
    assert program.read_text() == text
    assert (tmp_path / "two.py").read_bytes() == b"import beside\nfrom tamias import Agent\r\n"
    assert done.stderr.splitlines() == [
        "program.py:1: left: flink_agents.api.resource",
        "program.py:2: left: flink_agents.api.resource.Unknown",
        "program.py:4: left: flink_agents.api.resource",
        "two.py: left: beside.py, which it imports",
    ]


def test_check_names_forms_of_another_version(tmp_path: Path, command: Command) -> None:
    program = "from flink_agents.api.decorators import action\n"
    program += "from flink_agents.api.skills import Skills\n"
    program += (
        "class Mine: ...\n@action(Mine)\ndef act(event, ctx): ...\nm.get_or_create_memory_set(1)\n"
    )
    written(tmp_path, program)
    done = command("check", "program.py")
    assert done.stdout.splitlines() == [
        "program.py:4: missing: @action(Class) is of 0.2",
        "program.py:6: differs: get_or_create_memory_set is of 0.2",
        "program.py: Flink Agents 0.3, 1 file, 1 missing",
    ]


def test_run_finds_what_another_package_of_the_name_has_more(
    tmp_path: Path, command: Command
) -> None:
    package = tmp_path / "site" / "flink_agents"
    for folder in ("", "api", "examples"):
        written(package / folder, "", "__init__.py")
    written(package / "examples", "WORD = 'theirs'", "one.py")
    program = """
        from flink_agents.api.decorators import action
        from flink_agents.examples.one import WORD
        print(WORD, hasattr(action, "__call__"))
        """
    written(tmp_path, program)
    done = command("run", "program.py", PYTHONPATH=str(tmp_path / "site"))
    assert done.stdout == "theirs True\n", done.stderr
