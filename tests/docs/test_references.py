"""What the documentation points at is there: files, headings, tests, options, messages."""

from __future__ import annotations

import re

import pytest

from support.house.pages import (
    PAGES,
    ROOMS,
    ROOT,
    code_words,
    is_said,
    links,
    read,
    said_by_the_code,
    table_under,
)
from tamias.agent.config.options import KNOWN_OPTIONS


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
    }
    assert {room for room in rooms if not {room, f"{room}/"} & told} == set()
