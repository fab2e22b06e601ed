"""Deployment files: what they come to, and how each slip in them is told."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tamias import ConfigError
from tamias.deployment.spec import Deployment
from tamias.launcher.jobs.file_job import JobSpec
from tamias.service.server.service import ServeSpec

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = """
    state: ./kept
    defaults:
      durability: none
      memory-limit: 512MiB
      environment:
        python: "3.12"
        variables: {MODE: fast, LANG: C}
    agents:
      counter:
        target: agents/counter.py:Counter
        input: in.csv
        output: /elsewhere/out.jsonl
        key: id
        format: csv
        ordered: true
        overwrite: true
        workers: 2
        environment: {python: "3.10", requirements: [tiny==1.0], variables: {LANG: null}}
        settings: {run-timeout: 5s, durability: machine, Model.temperature: 0.5}
      front:
        target: package.module:Front
        serve: {listen: "tcp://127.0.0.1:7000", keys: keys}
      local:
        target: package.module:Front
        serve:
"""


def read(folder: Path, text: str) -> Deployment:
    path = folder / "all.yaml"
    path.write_text(dedent(text))
    return Deployment.read(path)


def test_a_whole_file(tmp_path: Path) -> None:
    deployment = read(tmp_path, WHOLE)
    assert deployment.state == tmp_path / "kept"
    counter, front, local = deployment.members
    assert counter.state == tmp_path / "kept/counter"
    assert counter.overwrite
    assert counter.spec == JobSpec(
        target=f"{tmp_path}/agents/counter.py:Counter",
        input=f"{tmp_path}/in.csv",
        output="/elsewhere/out.jsonl",
        key="id",
        input_format="csv",
        ordered=True,
        config={
            "durability": "machine",
            "memory-limit": "512MiB",
            "workers": 2,
            "run-timeout": "5s",
            "Model.temperature": 0.5,
        },
        folder=str(tmp_path),
        environment={
            "python": "3.10",
            "requirements": ["tiny==1.0"],
            "variables": {"MODE": "fast", "LANG": None},
        },
    )
    assert front.spec == ServeSpec(
        target="package.module:Front",
        listen="tcp://127.0.0.1:7000",
        keys=f"{tmp_path}/keys",
        config={"durability": "none", "memory-limit": "512MiB"},
        folder=str(tmp_path),
        environment={"python": "3.12", "variables": {"MODE": "fast", "LANG": "C"}},
    )
    assert isinstance(local.spec, ServeSpec)
    assert (local.is_service, local.output, counter.is_service) == (True, "", False)


def test_paths_are_the_files_wherever_the_command_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/all.yaml").write_text(dedent(WHOLE))
    monkeypatch.chdir(tmp_path)
    there = Deployment.read(type(tmp_path)("folder/all.yaml"))
    monkeypatch.chdir(tmp_path / "folder")
    assert Deployment.read(type(tmp_path)("all.yaml")) == there
    assert there.folder == tmp_path / "folder"


def test_state_is_beside_the_file_by_its_name(tmp_path: Path) -> None:
    text = "agents: {a: {target: a.py:A, input: i.jsonl, output: o.jsonl}}"
    assert read(tmp_path, text).state == tmp_path / "all.tamias"


def with_agent(*lines: str) -> str:
    """A file with a good agent in it, and more lines for it."""
    good = ["agents:", "  a:", "    target: a.py:A", "    input: i.jsonl", "    output: o.jsonl"]
    return "\n".join([*good, *(f"    {line}" for line in lines)])


OTHER = "  b: {target: b.py:B, input: i.jsonl, output: %s}\n"


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", 1, "a deployment file has `agents:`"),
        ("- a\n- b", 1, "a deployment file has `agents:`"),
        ("state: here", 1, "it needs agents"),
        ("agents: {}", 1, "agents: dictionary should have at least 1 item"),
        ("agents:\n  a: 3", 2, "agents.a: it should be a valid dictionary."),
        ("agents: [a]", 1, "agents: it should be a valid dictionary"),
        ("agents:\n  a: {target: a.py:A", 2, "this is not YAML"),
        ("agents:\n  a:\n\ttarget: a", 3, "this is not YAML"),
        (with_agent("worker: 2"), 6, "agents.a.worker: there is no such key; there are: target"),
        (with_agent("worker: 2"), 6, "did you mean workers?"),
        (with_agent("workers: two"), 6, "agents.a.workers: it should be a valid integer"),
        (with_agent("workers: -1"), 6, "agents.a.workers: it should be greater than"),
        (with_agent("output: p.jsonl"), 6, "agents.a.output is written twice"),
        (with_agent("serve: {}"), 4, "agents.a.input: a service has no such key"),
        (with_agent("settings: {max-atempts: 3}"), 6, "Did you mean 'max-attempts'?"),
        (with_agent("settings:", "  nice: x"), 7, "agents.a.settings.nice: The setting 'nice' is"),
        (with_agent("settings: {durability: no}"), 6, "agents.a.settings.durability"),
        (with_agent("settings: {state-dir: x}"), 6, "below the deployment's"),
        (
            with_agent("settings: {environment.python: x}"),
            6,
            "write `environment` beside the settings",
        ),
        (with_agent("settings: {a.b: 1, a: {b: 2}}"), 6, "given twice"),
        (with_agent("workers: 1", "settings: {workers: 2}"), 7, "workers is set twice"),
        (with_agent("environment:", "  python: 3.10"), 7, 'write a version in quotes: "3.10"'),
        (with_agent("environment: {pyton: x}"), 6, "did you mean python?"),
        (with_agent("environment: [numpy]"), 6, "agents.a.environment: it should be"),
        ("agents:\n  a: {input: i, output: o}", 2, "agents.a: it needs target"),
        ("agents:\n  a: {target: a.py:A, input: i}", 2, "an input and an output, or serve"),
        ("agents:\n  a: {target: a.py:A, input: '-', output: o}", 2, "need files, not -"),
        ("agents:\n  a/b: {target: a.py:A, serve: }", 2, "a name has letters"),
        ("agents:\n  a: {target: a.py:A, serve: {listen: 'tcp://h:1'}}", 2, "open to everybody"),
        ("agents:\n  a: {target: a.py:A, serve: {port: 1}}", 2, "there are: listen, keys"),
        ("defaults: {max-atempts: 3}\n" + with_agent(), 1, "defaults.max-atempts"),
        ("defaults: {environment: 3}\n" + with_agent(), 1, "an environment has settings: python"),
        ("stat: x\n" + with_agent(), 1, "stat: there is no such key; there are: state"),
        (with_agent() + "\n" + OTHER % "o.jsonl", 6, "agents.b.output: a writes that file"),
        (with_agent() + "\n" + OTHER % "i.jsonl", 4, "agents.a.input: b writes that file"),
        ("agents: &a\n  a: *a", 2, "agents.a.a: there is no such key"),
    ],
)
def test_a_mistake_is_reported_with_its_line(
    tmp_path: Path, text: str, line: int, told: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert f"line {line}: " in caught.value.message
    assert told in caught.value.message
    assert caught.value.exit_code == 2


def test_two_services_at_one_address_are_refused(tmp_path: Path) -> None:
    serve = "{target: a.py:A, serve: {listen: 'tcp://h:1', keys: k}}"
    with pytest.raises(ConfigError, match=r"line 3: agents.b.serve.listen: a listens there"):
        read(tmp_path, f"agents:\n  a: {serve}\n  b: {serve}")


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, with_agent("worker: 2", "ordered: true", "ordered: true"))
    told = caught.value.message.splitlines()[1:]
    assert [line.split(":")[0] for line in told] == ["  line 6", "  line 8"]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory"):
        Deployment.read(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(ConfigError, match="cannot be read"):
        Deployment.read(tmp_path / "bytes.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        Deployment.read(tmp_path)


def test_what_an_agent_in_yaml_sets_counts_where_the_deployment_says_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "agent.yaml").write_text(
        "config: {workers: 2, max-attempts: 7, state-dir: x, environment: {python: y}, mine: 1}\n"
    )
    file = tmp_path / "d.yaml"
    file.write_text(
        "defaults: {max-attempts: 5}\n"
        "agents:\n  a: {target: 'agent.yaml:a', input: i.jsonl, output: o.jsonl}\n"
    )
    (member,) = Deployment.read(file).members
    assert member.spec.config == {"workers": 2, "max-attempts": 5, "mine": 1}
    assert member.spec.target == f"{tmp_path}/agent.yaml:a"
