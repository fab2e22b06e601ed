"""Which names `apply` takes, before anything is executed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tamias import Agent, AgentsExecutionEnvironment, ConfigError, TargetError
from tamias.launcher.jobs.target import agent_or_target

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "name", ["ghost:Ghost", "some/ghost.py", "ghost.yaml", "json", "json.tool"]
)
def test_names_of_modules_and_files_are_taken_as_they_are(name: str) -> None:
    assert agent_or_target(name, {}) == name


def test_names_of_modules_beside_the_program_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop.py").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert agent_or_target("shop", {}) == "shop"


def test_known_names_come_first() -> None:
    agent = Agent()
    assert agent_or_target("json", {"json": agent}) is agent


def test_names_of_another_environment_cannot_be_checked() -> None:
    assert agent_or_target("ghost", {}, elsewhere=True) == "ghost"


def test_an_unknown_name_is_refused_at_once() -> None:
    builder = AgentsExecutionEnvironment.get_execution_environment().from_list([])
    with pytest.raises(TargetError, match="There is no agent 'ghost', and no module") as found:
        builder.apply("ghost")
    assert isinstance(found.value, ValueError)
    assert not isinstance(found.value, ConfigError)
