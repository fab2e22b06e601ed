"""What a watch takes for an edit, with real files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tamias.cli.code_watch import CodeWatch
from tamias.worker.importing.codebase import digests

if TYPE_CHECKING:
    from pathlib import Path


class Editor:
    """Files, and what of them is on record."""

    def __init__(self, folder: Path) -> None:
        self.agent = folder / "agent.py"
        self.helper = folder / "helper.py"
        self.packages = folder / "packages.txt"
        for path in (self.agent, self.helper, self.packages):
            path.write_text("one")
        self.record = digests([str(self.agent)])
        self.watch = CodeWatch([self.packages])

    def settled(self) -> list[str]:
        """What a watch sees when nobody writes for a while."""
        self.watch.scan(self.record)
        return self.watch.scan(self.record)

    def roll_back(self) -> None:
        """It is tried, and is no good."""
        self.watch.trying()
        self.watch.rolled_back()

    def take_over(self) -> None:
        """The current generation is what there is now."""
        self.watch.trying()
        self.record = digests([str(self.agent)])
        self.watch.took_over()


@pytest.fixture
def editor(tmp_path: Path) -> Editor:
    return Editor(tmp_path)


def test_what_was_touched_or_saved_as_it_was_is_no_edit(editor: Editor) -> None:
    assert editor.settled() == []
    editor.agent.touch()
    editor.helper.write_text("not imported by anyone")
    assert editor.settled() == []
    editor.agent.write_text("two")
    assert editor.settled() == [str(editor.agent)]


def test_an_edit_counts_once_it_stands_still(editor: Editor) -> None:
    assert editor.settled() == []
    for text in ("two", "three", "four"):
        editor.agent.write_text(text)
        assert editor.watch.scan(editor.record) == []
    assert editor.watch.scan(editor.record) == [str(editor.agent)]


def test_what_was_edited_before_the_watch_began_counts(editor: Editor) -> None:
    editor.agent.write_text("two")
    assert editor.settled() == [str(editor.agent)]


def test_an_edit_is_tried_once(editor: Editor) -> None:
    editor.agent.write_text("bad")
    assert editor.settled() == [str(editor.agent)]
    editor.roll_back()
    assert editor.settled() == []
    editor.agent.write_text("one")  # as the generation that does the work
    assert editor.settled() == [str(editor.agent)]
    editor.take_over()
    assert editor.settled() == []


def test_after_a_rollback_the_mistake_may_be_in_any_file_beside(editor: Editor) -> None:
    editor.agent.write_text("imports helper, which is broken, and another, which is not there")
    editor.settled()
    editor.roll_back()
    editor.helper.write_text("repaired")
    assert editor.settled() == [str(editor.helper)]
    editor.roll_back()
    another = editor.agent.with_name("another.py")
    another.write_text("there now")
    assert editor.settled() == [str(another)]
    editor.take_over()
    editor.helper.write_text("nobody's again")
    assert editor.settled() == []


def test_other_files_of_the_command_count_too(editor: Editor) -> None:
    assert editor.settled() == []
    editor.packages.write_text("two")
    assert editor.settled() == [str(editor.packages)]
    editor.take_over()
    assert editor.settled() == []


def test_a_deleted_file_is_an_edit_and_so_is_its_return(editor: Editor) -> None:
    editor.agent.unlink()
    assert editor.settled() == [str(editor.agent)]
    editor.roll_back()
    assert editor.settled() == []
    editor.agent.write_text("two")
    assert editor.settled() == [str(editor.agent)]


def test_what_is_edited_while_the_code_is_tried_is_an_edit(editor: Editor) -> None:
    editor.agent.write_text("two")
    editor.settled()
    editor.watch.trying()
    editor.helper.write_text("repaired meanwhile")
    editor.watch.rolled_back()
    assert editor.settled() == [str(editor.helper)]
    editor.watch.trying()
    editor.agent.write_text("three")
    editor.record = digests([str(editor.agent)])  # it was imported so already
    editor.watch.took_over()
    assert editor.settled() == []
