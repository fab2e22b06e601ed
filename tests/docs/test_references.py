"""What the documentation points at is there: files, headings, tests, options, messages."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer.main

import tamias
from support.house.pages import (
    PAGES,
    ROOMS,
    ROOT,
    blocks,
    code_words,
    is_said,
    links,
    read,
    said_by_the_code,
    table_under,
)
from tamias.agent.config.options import KNOWN_OPTIONS
from tamias.cli.app import application


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    lost = []
    for link in links(page):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in _anchors(target.read_text("utf-8"))):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", PAGES)
def test_tables_have_heads(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", read(page), flags=re.MULTILINE | re.DOTALL)
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    headless = [table for table in tables if not re.match(r".*\n\|[ :|-]+\|\n", table)]
    assert headless == []


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    folders = (*ROOMS, "tests", "scripts", "examples", "docs")
    named = [word for word in code_words(page) if re.fullmatch(r"[\w./-]+", word)]
    inside = [word for word in named if word.split("/")[0] in folders and "/" in word]
    assert [word for word in inside if not (ROOT / word).exists()] == []


def test_the_table_of_options_is_complete_and_right() -> None:
    rows = table_under("docs/concepts.md", "## Configuration")
    told = {row[0].strip("`"): row[2].strip("`") for row in rows}
    assert told == {key: _default(option.default) for key, option in KNOWN_OPTIONS.items()}


def test_messages_that_are_explained_are_messages_of_the_code() -> None:
    tables = ("### On the terminal", "### In logs/pool.log")
    told = [
        message
        for heading in tables
        for row in table_under("docs/operations.md", heading)
        for message in re.findall(r"`([^`]+)`", row[0])
    ]
    assert told
    assert [message for message in told if not is_said(message)] == []


def test_messages_of_the_faq_are_messages_of_the_code() -> None:
    heads = re.findall(r"^\*\*(.+?)\*\*", read("docs/faq.md"), re.MULTILINE | re.DOTALL)
    told = [
        message
        for head in heads
        for message in re.findall(r"`([^`]+)`", head)
        if " " in message and not message.startswith("done: ")
    ]
    assert len(told) >= 10
    assert [message for message in told if not is_said(message)] == []


def test_the_reference_has_every_public_name() -> None:
    directive = r"^\.\. auto(?:class|function|exception|data):: tamias\.(\w+)$"
    named = re.findall(directive, read("docs/api.md"), re.MULTILINE)
    assert sorted(named) == sorted(tamias.__all__)


def test_the_table_of_commands_is_complete() -> None:
    commands: Any = typer.main.get_command(application())
    head = "| command | what it does |\n|---|---|\n"
    table = read("docs/cli.md").partition(head)[2].partition("\n\n")[0]
    shown = re.findall(r"`([a-z-]+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE)))
    assert sorted(shown) == sorted(commands.commands)


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_are_shown_exist(page: str) -> None:
    commands: Any = typer.main.get_command(application())
    wrong = []
    for line in re.findall(r"^(?:\$| {4}) *(tamias [a-z].*)$", read(page), re.MULTILINE):
        words = re.split(r"[\s\[\]|]+", line.partition(" #")[0])[1:]
        command = commands
        flags = set()
        for word in words:
            if hasattr(command, "commands"):
                command = command.commands.get(word)
        if command is None:
            wrong.append(line)
            continue
        for parameter in command.params:
            flags.update(parameter.opts)
        wrong += [
            f"{line}: {word}"
            for word in words
            if re.fullmatch(r"--?[a-z][a-z-]*", word) and word not in {*flags, "--help"}
        ]
    assert wrong == []


def test_the_page_on_waiting_shows_the_examples_as_they_are() -> None:
    shown = {block.file: block.text for block in blocks("docs/waiting.md") if block.file}
    examples = {path.name: path for path in (ROOT / "examples/waiting").glob("*.*")}
    assert examples
    assert {name: shown.get(name) for name in examples} == {
        name: path.read_text(encoding="utf-8") for name, path in examples.items()
    }


def test_what_nobody_says_is_noticed() -> None:
    assert len(said_by_the_code()) > 1000
    assert is_said("was killed by ...")
    assert not is_said("was killed by nobody")


def _anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as the usual hosts make them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _default(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) or "empty"


def test_pages_are_found() -> None:
    assert all(read(page).startswith("# ") for page in PAGES)


def test_every_room_has_its_place_in_the_page_on_architecture() -> None:
    told = set(code_words("docs/architecture.md"))
    rooms = {
        str(path.parent.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
        if "package" not in path.parts  # a distribution of its own
    }
    assert {room for room in rooms if not {room, f"{room}/"} & told} == set()
