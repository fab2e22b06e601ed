"""Finding the execution environment through entry points, without importing upwards."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tamias import (
    AgentBuilder,
    AgentDefinitionError,
    AgentsExecutionEnvironment,
    Configuration,
    MissingExtraError,
    Prompt,
    ResourceType,
)

if TYPE_CHECKING:
    from pathlib import Path


class Fake(AgentsExecutionEnvironment):
    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.arguments = arguments

    def get_config(self, path: str | None = None) -> Configuration:
        return Configuration() if path is None else Configuration.from_file(path)

    def from_list(self, input: list[dict[str, Any]]) -> AgentBuilder:
        raise NotImplementedError

    def from_datastream(self, input: Any, key_selector: Any = None) -> AgentBuilder:
        raise NotImplementedError

    def from_table(self, input: Any, key_selector: Any = None) -> AgentBuilder:
        raise NotImplementedError

    def load_yaml(self, paths: Any) -> None:
        raise NotImplementedError

    def execute(self, job_name: str | None = None) -> None:
        raise NotImplementedError


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replaces what is installed by the entry points given."""

    def install(**entries: str) -> None:
        metadata = tmp_path / "fake_environments-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Name: fake-environments\nVersion: 1.0\n")
        lines = [f"{name} = {target}" for name, target in entries.items()]
        (metadata / "entry_points.txt").write_text("\n".join(["[tamias.environments]", *lines, ""]))
        (tmp_path / "needs_more.py").write_text("import a_package_that_nobody_has\n")
        monkeypatch.setattr(sys, "path", [str(tmp_path)])
        monkeypatch.setitem(sys.modules, "fake_environment", sys.modules[__name__])
        importlib.invalidate_caches()

    return install


def test_without_arguments_the_local_one(installed: Any) -> None:
    installed(local="fake_environment:Fake", flink="nowhere:nothing")
    env: Any = AgentsExecutionEnvironment.get_execution_environment(workers=3)
    assert type(env) is Fake
    assert env.arguments == {"env": None, "t_env": None, "workers": 3}


@pytest.mark.parametrize("given", [{"env": "stream"}, {"t_env": "table"}])
def test_with_a_flink_environment_the_flink_one(installed: Any, given: dict[str, str]) -> None:
    installed(local="nowhere:nothing", flink="fake_environment:Fake")
    env: Any = AgentsExecutionEnvironment.get_execution_environment(**given)
    assert env.arguments == {"env": None, "t_env": None, **given}


def test_one_that_is_not_installed_is_named_with_the_command_that_installs_it(
    installed: Any,
) -> None:
    installed(local="fake_environment:Fake")
    with pytest.raises(MissingExtraError, match=r"'flink'.*pip install 'tamias\[flink\]'"):
        AgentsExecutionEnvironment.get_execution_environment(env="stream")


def test_one_whose_packages_are_missing(installed: Any) -> None:
    installed(flink="needs_more:create")
    with pytest.raises(MissingExtraError, match=r"a_package_that_nobody_has.*pip install"):
        AgentsExecutionEnvironment.get_execution_environment(env="stream")


def test_resources_of_an_environment() -> None:
    env, text = Fake(), Prompt.from_text("x")
    assert env.add_resource("p", ResourceType.PROMPT, text) is env
    assert env.resources[ResourceType.PROMPT] == {"p": text}
    with pytest.raises(AgentDefinitionError, match="'p' has been added before"):
        env.add_resource("p", ResourceType.PROMPT, text)
    assert Fake().resources[ResourceType.PROMPT] == {}
