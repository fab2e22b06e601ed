"""Skills in folders and archives, the tools by which models use them, and commands with limits."""

from __future__ import annotations

import asyncio
import io
import json
import os
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from support.cli import wait_for
from tamias import (
    Agent,
    AgentDefinitionError,
    BaseChatModelConnection,
    BaseChatModelSetup,
    ChatMessage,
    MessageRole,
    ReActAgent,
    ResourceType,
    Skills,
    run_agent,
    skills,
)
from tamias.agent.skills.skill_tools import OfferedSkills

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tamias import Tool

SKILL = "---\nname: {name}\ndescription: Use it for {name}.\n---\nFirst do {name}.\n"
ASKED: list[Any] = []


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "SKILL.md").write_text(SKILL.format(name=name))
    return root


def run(made: Skills, command: str, skill: str = "a") -> str:
    return asyncio.run(made.run_command(skill, command))


def test_they_are_listed_and_read(tmp_path: Path) -> None:
    made = Skills.from_local_dir(write(tmp_path / "all", "a", "b"))
    assert [(each.name, each.description) for each in made.list_skills()] == [
        ("a", "Use it for a."),
        ("b", "Use it for b."),
    ]
    assert made.read("b") == "First do b."
    (tmp_path / "all/a/more.md").write_text("more")
    assert made.read("a", "more.md") == "more"
    with pytest.raises(LookupError, match="no skill 'c'; there are a, b"):
        made.read("c")


@pytest.mark.parametrize("path", ["../b/SKILL.md", "/etc/passwd", "link", "nosuch", "."])
def test_nothing_outside_of_a_skill_can_be_read(tmp_path: Path, path: str) -> None:
    made = Skills.from_local_dir(write(tmp_path, "a", "b"))
    (tmp_path / "a/link").symlink_to("/etc/passwd")
    with pytest.raises(LookupError, match="has no file"):
        made.read("a", path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no front matter", "does not begin with a description"),
        ("---\nname: [\n---\nx", "cannot be read"),
        ("---\nname: a\n---\nx", "The description in .* is None"),
        ("---\nname: a\ndescription: " + "d" * 1025 + "\n---\nx", "1 to 1024 characters"),
        ("---\nname: a\ndescription: d\n---\n\n", "has no instructions"),
    ],
)
def test_a_skill_that_is_none_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/SKILL.md").write_text(text)
    with pytest.raises(AgentDefinitionError, match=message):
        Skills.from_local_dir(tmp_path).list_skills()


def test_missing_folders_and_packages_are_clear_errors(tmp_path: Path) -> None:
    for made in (Skills.from_local_dir(tmp_path / "nosuch"), Skills.from_package("no_such_one")):
        with pytest.raises(AgentDefinitionError, match=r"nosuch|no_such_one"):
            made.list_skills()
    with pytest.raises(AgentDefinitionError, match="must begin with https"):
        Skills.from_url("ftp://example.org/skills.zip").list_skills()


@pytest.mark.parametrize(
    "host", ["localhost.example.invalid", "127.0.0.1.example.invalid", "localhost@example.invalid"]
)
def test_only_this_machine_may_be_asked_without_tls(host: str) -> None:
    with pytest.raises(AgentDefinitionError, match="must begin with https://"):
        Skills.from_url(f"http://{host}/skills.zip").list_skills()


def archive(**members: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        for name, text in members.items():
            packed.writestr(name, text)
    return data.getvalue()


def test_an_archive_is_unpacked_and_removed(tmp_path: Path) -> None:
    (tmp_path / "s.zip").write_bytes(archive(**{"pack/a/SKILL.md": SKILL.format(name="a")}))
    made = Skills.from_local_dir(tmp_path / "s.zip")
    assert made.read("a") == "First do a."
    [scratch] = made._scratch
    made.close()
    assert not scratch.exists()


def test_an_archive_writes_nothing_outside_of_itself(tmp_path: Path) -> None:
    (tmp_path / "s.zip").write_bytes(archive(**{"../../evil": "x"}))
    with pytest.raises(AgentDefinitionError, match="outside of itself"):
        Skills.from_local_dir(tmp_path / "s.zip").list_skills()


@pytest.mark.process
def test_only_what_is_allowed_runs(tmp_path: Path) -> None:
    made = Skills.from_local_dir(write(tmp_path, "a"), allowed_commands=["echo", "pwd", "env"])
    assert run(made, "echo 'a b; ls && $(pwd)'") == "a b; ls && $(pwd)"
    assert run(made, "pwd") == str((tmp_path / "a").resolve())
    os.environ["SECRET_KEY"] = "s3cret"
    assert "s3cret" not in run(made, "env")
    for refused in ("ls", "/bin/ls", "", "echo 'a", "echo a; ls", "echo $(pwd)", "pwd | ls"):
        with pytest.raises(PermissionError):
            run(made, refused)
    with pytest.raises(PermissionError, match="allowed are none"):
        run(Skills.from_local_dir(tmp_path), "echo a")


@pytest.mark.process
def test_a_command_may_have_pipes_variables_and_patterns(tmp_path: Path) -> None:
    made = Skills.from_local_dir(write(tmp_path, "a"), allowed_commands=["echo", "cat", "false"])
    assert run(made, "echo 'a  b' | cat && echo \"$HOME\"") == f"a  b\n{tmp_path / 'a'}"
    assert run(made, "X=1; false || echo $X *.md < SKILL.md 2> /dev/null") == "1 SKILL.md"
    assert run(made, "echo a; false") == "a\n[exit code 1]"
    with pytest.raises(PermissionError, match="may not be written"):
        run(made, "echo evil > SKILL.md")


@pytest.mark.process
@pytest.mark.parametrize(
    "line",
    [
        "X=1; printf -v 'a[$(touch evil)]' x",
        "X=1; test -v 'a[$(touch evil)]'",
        "X=1; [ -v 'a[$(touch evil)]' ]",
        "X=1; read 'a[$(touch evil)]' < SKILL.md",
        "X='$(touch evil)'; echo $X `",
        "X='$(touch evil)' echo \"$X\" ${X@P}",
        "X='a[$(touch evil)]'; echo $((X))",
    ],
)
def test_no_argument_of_a_builtin_is_run(tmp_path: Path, line: str) -> None:
    allowed = ["printf", "test", "[", "read", "echo"]
    made = Skills.from_local_dir(write(tmp_path, "a"), allowed_commands=allowed)
    with suppress(PermissionError):
        run(made, line)
    assert not (tmp_path / "a/evil").exists()


@pytest.mark.process
def test_scripts_may_be_allowed_and_variables_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a")
    (tmp_path / "a/run.sh").write_text("#!/bin/sh\necho $1 $TOKEN\n")
    (tmp_path / "a/run.sh").chmod(0o755)
    monkeypatch.setenv("TOKEN", "t0ken")
    with pytest.raises(PermissionError):
        run(Skills.from_local_dir(tmp_path, command_variables=["TOKEN"]), "sh run.sh")
    made = Skills.from_local_dir(tmp_path, allowed_scripts=True, command_variables=["TOKEN"])
    assert run(made, "./run.sh 1") == "1 t0ken"
    assert run(made, "sh run.sh 2") == "2 t0ken"
    with pytest.raises(PermissionError, match=r"'rm' is not allowed; .* files in"):
        run(made, "rm run.sh")


@pytest.mark.process
def test_a_command_has_limits(tmp_path: Path) -> None:
    allowed = ["sh", "./run.sh"]
    made = Skills.from_local_dir(write(tmp_path, "a"), allowed_commands=allowed)
    hasty = Skills.from_local_dir(tmp_path, allowed_commands=allowed, command_timeout=3)
    assert run(made, "sh -c 'echo out; echo err >&2; exit 3'") == "out\nerr\n[exit code 3]"
    pid = tmp_path / "pid"
    said = run(hasty, f"sh -c 'sleep 60 & echo $! > {pid}; echo begun; wait'")
    assert said == "begun\n[was killed: its time was over]"
    wait_for(lambda: not psutil.pid_exists(int(pid.read_text())))
    assert len(run(made, "sh -c 'yes | head -c 1000000'")) < 110_000
    (tmp_path / "a/run.sh").write_text("#!/bin/sh\necho own\n")
    (tmp_path / "a/run.sh").chmod(0o755)
    assert run(made, "./run.sh") == "own"


@pytest.mark.process
def test_a_command_with_the_exit_code_of_the_sandbox_runs_once(tmp_path: Path) -> None:
    made = Skills.from_local_dir(write(tmp_path, "a"), allowed_commands=["sh"])
    from tamias.models.skills.commands import CommandLimits, _cannot_be_cut_off

    if asyncio.run(_cannot_be_cut_off(tmp_path, CommandLimits())):
        pytest.skip("processes cannot give up the network here")
    count = tmp_path / "count"
    assert run(made, f"sh -c 'echo once >> {count}; exit 97'") == "[exit code 97]"
    assert count.read_text().split() == ["once"]


@pytest.mark.process
def test_a_command_has_no_network_where_the_kernel_lets_it_give_that_up(tmp_path: Path) -> None:
    made = Skills.from_local_dir(write(tmp_path, "a"), allowed_commands=["cat"])
    devices = run(made, "cat /proc/net/dev")
    from tamias.models.skills import commands

    assert commands._warned or devices.count(":") == 1, devices


class Scripted(BaseChatModelConnection):
    """Loads a skill, then answers with what it was told."""

    def chat(
        self, messages: Sequence[ChatMessage], tools: list[Tool] | None = None, **kwargs: Any
    ) -> ChatMessage:
        ASKED.append((list(messages), sorted(tool.name for tool in tools or ())))
        told = [each.content for each in messages if each.role is MessageRole.TOOL]
        if told:
            return ChatMessage(role=MessageRole.ASSISTANT, content=told[-1])
        call = {"function": {"name": "load_skill", "arguments": {"name": "b"}}}
        return ChatMessage(role=MessageRole.ASSISTANT, tool_calls=[call])


class Setup(BaseChatModelSetup):
    @property
    def model_kwargs(self) -> dict[str, Any]:
        return {}


def talking(root: Path, *names: str) -> Agent:
    agent = ReActAgent(chat_model=Setup(connection="here", skills=list(names)))
    agent.add_resource("here", ResourceType.CHAT_MODEL_CONNECTION, Scripted())
    return agent.add_resource("all", ResourceType.SKILLS, Skills.from_local_dir(root))


def test_a_model_is_told_of_skills_and_loads_them(tmp_path: Path) -> None:
    ASKED.clear()
    agent = talking(write(tmp_path, "a", "b", "c"), "a", "b")
    assert run_agent(agent, [("k", "hello")]).outputs_of("k") == ["First do b."]
    messages, tools = ASKED[0]
    assert tools == ["load_skill"]
    assert messages[0].role is MessageRole.SYSTEM
    assert "- a: Use it for a.\n- b: Use it for b." in messages[0].content
    assert "- c:" not in messages[0].content


@pytest.mark.process
def test_a_setup_may_allow_commands_and_folders_of_scripts(tmp_path: Path) -> None:
    write(tmp_path / "all", "a", "b")
    (tmp_path / "all/b/own.sh").write_text("#!/bin/sh\necho own\n")
    (tmp_path / "all/b/own.sh").chmod(0o755)
    (tmp_path / "more").mkdir()
    (tmp_path / "more/m.sh").write_text("echo more")
    sets = [Skills.from_local_dir(tmp_path / "all", allowed_commands=["./own.sh"])]
    assert len(OfferedSkills(["a"], [Skills.from_local_dir(tmp_path / "all")]).tools()) == 1
    offered = OfferedSkills(["a", "b"], sets, ["echo"], [str(tmp_path / "more")])
    load, bash = offered.tools()
    assert load.call(name="b") == "First do b.\n\nFiles of this skill: own.sh"
    assert f"./own.sh, echo, files in {tmp_path / 'more'}." in bash.description
    assert asyncio.run(bash.acall(command="echo hi && echo 2")) == "hi\n2"
    assert asyncio.run(bash.acall(command=f"sh {tmp_path / 'more/m.sh'}")) == "more"
    assert asyncio.run(bash.acall(skill="b", command="./own.sh")) == "own"
    (tmp_path / "more/m.sh").write_text("sleep 60")
    late = asyncio.run(bash.acall(command=f"sh {tmp_path / 'more/m.sh'}", timeout=0.0001))
    assert late == "[was killed: its time was over]"
    with pytest.raises(PermissionError, match="'ls' is not allowed"):
        asyncio.run(bash.acall(command="ls"))


def test_a_skill_that_the_agent_does_not_have_is_named(tmp_path: Path) -> None:
    run = run_agent(talking(write(tmp_path, "a"), "z"), [("k", "x")], on_error="dead-letter")
    assert "The agent has no skill 'z' (it has 'a')" in run.failures[0].error


def test_they_may_be_declared_with_a_decorator(tmp_path: Path) -> None:
    class Declared(Agent):
        @skills
        @staticmethod
        def all_of_them() -> Skills:
            return Skills.from_local_dir(tmp_path)

    from tamias import AgentPlan

    assert list(AgentPlan.compile(Declared).providers[ResourceType.SKILLS]) == ["all_of_them"]
    assert json.dumps(Skills.from_local_dir("x").sources) == '[{"path": "x"}]'
