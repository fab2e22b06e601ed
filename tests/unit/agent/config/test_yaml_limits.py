"""Settings that would fill the memory, or the stack, are refused."""

from __future__ import annotations

import pytest

from tamias.agent.config.configuration import Configuration, parse_assignments
from tamias.agent.errors import ConfigError

DEEP = "[" * 5000 + "]" * 5000
DEEP_MAPPING = "\n".join(" " * n + "a:" for n in range(3000))


def bomb(form: str) -> str:
    """Each line has nine times the one before it."""
    first = "x" if form == "[%s]" else "k: x"
    lines = [f"a0: &a0 {form % first}"]
    for n in range(1, 10):
        parts = [f"*a{n - 1}" if form == "[%s]" else f"k{i}: *a{n - 1}" for i in range(9)]
        lines.append(f"a{n}: &a{n} {form % ', '.join(parts)}")
    return "\n".join(lines)


@pytest.mark.parametrize("text", [f"x: {DEEP}", DEEP_MAPPING, "a: &a [*a]", "a: &a {b: *a}"])
def test_nested_without_end(text: str) -> None:
    with pytest.raises(ConfigError, match=r"c\.yaml is nested too deeply, or contains itself"):
        Configuration.from_yaml_text(text, "c.yaml")


@pytest.mark.parametrize("form", ["[%s]", "{%s}"])
def test_anchors_that_multiply(form: str) -> None:
    with pytest.raises(ConfigError, match=r"c\.yaml has more than 100,000 values"):
        Configuration.from_yaml_text(bomb(form), "c.yaml")


def test_the_value_of_an_assignment() -> None:
    with pytest.raises(ConfigError, match="--set x is nested too deeply"):
        parse_assignments([f"x={DEEP}"])


def test_anchors_that_do_not_are_allowed() -> None:
    config = Configuration.from_yaml_text("a: &a {k: [1, 2]}\nb: *a\nc: {<<: *a}", "c.yaml")
    assert config.data["b.k"] == config.data["c.k"] == [1, 2]
