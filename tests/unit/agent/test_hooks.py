"""Hooks: found by name and entry point, called in order, and never able to do harm."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tamias.agent.config.configuration import Configuration
from tamias.agent.config.options import PoolOptions
from tamias.agent.errors import ConfigError
from tamias.agent.hooks import Hooks, load_hooks

if TYPE_CHECKING:
    from pathlib import Path

GROUP = "tamias.test_hooks"


class Base:
    """What hooks of these tests derive from."""

    def began(self, number: int) -> None:
        """Something began."""

    def ended(self) -> None:
        """Something ended."""


class Recording(Base):
    """Records that something began."""

    seen: list[Any]

    def __init__(self) -> None:
        self.seen = []

    def began(self, number: int) -> None:
        """As `Base.began`."""
        self.seen.append(number)


class Evil(Base):
    """Raises."""

    def began(self, number: int) -> None:
        """As `Base.began`."""
        raise ValueError(number)

    def ended(self) -> None:
        """As `Base.ended`."""
        raise SystemExit


def test_hooks_are_called_in_order_with_what_happened() -> None:
    order: list[str] = []

    class First(Base):
        def began(self, number: int) -> None:
            order.append(f"first {number}")

    class Second(Base):
        def began(self, number: int) -> None:
            order.append(f"second {number}")

    Hooks(Base, [First(), Second()]).call(Base.began, 7)
    assert order == ["first 7", "second 7"]


def test_only_methods_that_are_overridden_are_wanted() -> None:
    hooks = Hooks(Base, [Recording()])
    assert hooks.wants(Base.began)
    assert not hooks.wants(Base.ended)
    assert not Hooks(Base).wants(Base.began)


def test_errors_are_contained_counted_and_logged_once_per_hook(
    caplog: pytest.LogCaptureFixture,
) -> None:
    behind = Recording()
    hooks = Hooks(Base, [Evil(), Evil(), behind])
    with caplog.at_level(logging.ERROR, "tamias.hooks"):
        for number in range(3):
            hooks.call(Base.began, number)
        hooks.call(Base.ended)
    assert behind.seen == [0, 1, 2]
    assert hooks.errors == 8
    assert len(caplog.records) == 2
    assert all("Evil failed in began" in record.getMessage() for record in caplog.records)
    assert all(record.exc_info for record in caplog.records)


def test_hooks_are_found_by_entry_point_and_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    metadata = tmp_path / "some_hooks-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: some-hooks\nVersion: 1.0\n")
    lines = [f"[{GROUP}]", f"b = {__name__}:Recording", "a = no.such:Thing"]
    (metadata / "entry_points.txt").write_text("\n".join([*lines, ""]))
    monkeypatch.syspath_prepend(tmp_path)
    first = Evil()
    hooks = load_hooks(Base, GROUP, f"{__name__}:Evil", first=[first])
    assert [type(hook) for hook in hooks] == [Evil, Recording, Evil]
    assert next(iter(hooks)) is first
    assert hooks.errors == 1
    assert "no.such:Thing" in caplog.text


@pytest.mark.parametrize("name", ["no.such:Thing", f"{__name__}:missing", f"{__name__}:GROUP"])
def test_a_name_that_is_no_hook_is_a_mistake(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be made"):
        load_hooks(Base, GROUP, name)
    assert "no" not in sys.modules


def test_a_module_that_ends_the_interpreter_ends_no_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hooks_that_exit.py").write_text("raise SystemExit('on import')")
    metadata = tmp_path / "exiting_hooks-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: exiting-hooks\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\na = hooks_that_exit:Thing\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_hooks(Base, GROUP).errors == 1
    with pytest.raises(ConfigError, match="SystemExit: on import"):
        load_hooks(Base, GROUP, "hooks_that_exit:Thing")


def test_the_option_takes_a_list_or_commas() -> None:
    text = Configuration.from_yaml_text("launcher-hooks: 'a.b:C, d:E'")
    items = Configuration.from_yaml_text("launcher-hooks: [a.b:C, d:E]")
    assert text.get(PoolOptions.LAUNCHER_HOOKS) == "a.b:C,d:E"
    assert items.get(PoolOptions.LAUNCHER_HOOKS) == "a.b:C,d:E"
    assert Configuration().get(PoolOptions.LAUNCHER_HOOKS) == ""
    with pytest.raises(ConfigError, match="module:Class"):
        Configuration.from_yaml_text("launcher-hooks: nonsense")
