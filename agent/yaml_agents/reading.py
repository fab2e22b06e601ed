"""Reads a document: the text, its values in the format, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..config.configuration import Configuration
from ..config.yaml_lines import parse
from ..config.yaml_text import flatten
from ..errors import AgentDefinitionError, ConfigError
from ..limits.settings import Limits
from .problems import Problems
from .specs import DESCRIPTOR_SECTIONS, Document
from .variables import filled

_SETTINGS = ("config", "limits", "prices")
_ANY_PRICE = {"prices.any.input": 0, "prices.any.output": 0}
"""Prices may be given elsewhere."""
_LISTS = ("agents", "actions", "prompts", "tools", "skills", *DESCRIPTOR_SECTIONS)


@dataclass(frozen=True)
class ReadDocument:
    """A document that has been read, and the mistakes in it."""

    content: Document
    settings: dict[str, Any]
    """Its settings, by dotted key."""
    problems: Problems
    is_understood: bool
    """Whether `content` is the whole of it: mistakes in the format leave it empty."""


def read_document(text: str, source: str, variables: Mapping[str, str]) -> ReadDocument:
    """Read a text.

    Args:
        text: YAML.
        source: its name, for messages.
        variables: the environment variables that its values may name.

    Raises:
        AgentDefinitionError: it is not YAML, or no document with agents at all.
    """
    try:
        data, lines = parse(text, source)
    except ConfigError as error:
        raise AgentDefinitionError(error.message) from None
    problems = Problems(source, lines)
    if not isinstance(data, Mapping):
        problems.add((), "a document has `agents:`, and below it a list of agents with names")
        raise problems.error() or AssertionError
    for path, _ in lines.repeated:
        # The numbers of list items come as texts, as in all paths of lines.
        problems.add((int(part) if part.isdecimal() else part for part in path), "written twice")
    try:
        data = _with_variables(data, problems, variables)
        content, is_understood = Document.model_validate(data), True
    except RecursionError:
        raise AgentDefinitionError(f"{source} contains itself, by an anchor.") from None
    except ValidationError as error:
        problems.add_invalid(error)
        content, is_understood = Document(), False
    _check_names(data, problems)
    return ReadDocument(content, _settings(data, problems), problems, is_understood)


def _with_variables(
    data: Mapping[Any, Any], problems: Problems, variables: Mapping[str, str]
) -> dict[Any, Any]:
    """Fill in variables where values are: not in prompts, whose braces mean something else."""

    def fill(value: Any, *path: object) -> Any:
        return filled(value, variables, lambda inner, what: problems.add((*path, *inner), what))

    def fill_sections(holder: Mapping[Any, Any], *path: object) -> dict[Any, Any]:
        result = dict(holder)
        for name in (*DESCRIPTOR_SECTIONS, "skills", *(() if path else _SETTINGS)):
            if name in result:
                result[name] = fill(result[name], *path, name)
        actions = result.get("actions")
        if isinstance(actions, list):
            result["actions"] = [
                {**action, "config": fill(action["config"], *path, "actions", number, "config")}
                if isinstance(action, Mapping) and "config" in action
                else action
                for number, action in enumerate(actions)
            ]
        return result

    document = fill_sections(data)
    agents = document.get("agents")
    if isinstance(agents, list):
        document["agents"] = [
            fill_sections(agent, "agents", number) if isinstance(agent, Mapping) else agent
            for number, agent in enumerate(agents)
        ]
    return document


def _check_names(data: Mapping[Any, Any], problems: Problems) -> None:
    """Check that no two parts of a list have one name."""
    agents = data.get("agents")
    holders: list[tuple[tuple[object, ...], Any]] = [((), data)]
    if isinstance(agents, list):
        holders += [(("agents", number), agent) for number, agent in enumerate(agents)]
    for path, holder in holders:
        for section in _LISTS:
            items = holder.get(section) if isinstance(holder, Mapping) else None
            seen: set[str] = set()
            for number, item in enumerate(items if isinstance(items, list) else ()):
                name = item.get("name") if isinstance(item, Mapping) else item
                if not isinstance(name, str):
                    continue
                if name in seen:
                    what = f"there is another {name!r} in {section}"
                    problems.add((*path, section, number), what)
                seen.add(name)


def _settings(data: Mapping[Any, Any], problems: Problems) -> dict[str, Any]:
    """Return the settings by dotted key, without those that are mistakes."""
    settings: dict[str, Any] = {}
    for section in _SETTINGS:
        given = data.get(section)
        if not isinstance(given, Mapping):
            continue
        named = given if section == "config" else {section: given}
        try:
            flatten(named)
        except ConfigError as error:  # given twice, nested and dotted
            problems.add_error((section,), error)
            continue
        for path, value in _leaves(named, ()):
            key = ".".join(map(str, path))
            try:
                Configuration({key: value})
                if path[0] == "limits":
                    Limits.of({key: value, **_ANY_PRICE})
            except ConfigError as error:
                problems.add_error((section, *path) if section == "config" else path, error)
            else:
                settings[key] = value
    _check_prices(data, settings, problems)
    return settings


def _check_prices(data: Mapping[Any, Any], settings: dict[str, Any], problems: Problems) -> None:
    """Check each model's prices, which belong together; remove those that are mistakes."""
    groups: dict[tuple[object, ...], list[tuple[object, ...]]] = {}
    prices = data.get("prices")
    for path, _ in _leaves({"prices": prices} if isinstance(prices, Mapping) else {}, ()):
        groups.setdefault(path[:-1], []).append(path)
    for group, paths in groups.items():
        keys = {".".join(map(str, path)): path for path in paths}
        try:
            Limits.of({key: settings[key] for key in keys if key in settings})
        except ConfigError as error:
            named = (path for key, path in keys.items() if repr(key) in error.message)
            problems.add_error(next(named, group), error)
            for key in keys:
                settings.pop(key, None)


def _leaves(
    given: Mapping[Any, Any], path: tuple[object, ...]
) -> Iterator[tuple[tuple[object, ...], Any]]:
    for name, value in given.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value
