"""What is printed obeys no input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from tamias.cli.text import error_console, output_console, write_line

if TYPE_CHECKING:
    import pytest

HOSTILE = "a\x1b[2J\x1b]0;title\x07b\rc\x9b31m\x7f\u202e3\u2066"


def test_characters_that_control_a_terminal_are_shown_as_signs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = Table("key")
    table.add_row(HOSTILE)
    for console in (output_console(), error_console()):
        console.print(HOSTILE, markup=False)
        console.print(Text(HOSTILE, style="bold"))
        console.print(table)
    printed = "".join(capsys.readouterr())
    assert not [each for each in printed if not each.isprintable() and each != "\n"]
    assert printed.count("␛[2J␛]0;title") == 6


def test_what_cannot_be_encoded_is_written_as_its_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output_console().print("a\ud800b", markup=False)
    write_line("c\udcffd")
    assert capsys.readouterr().out == "a\\ud800b\nc\\udcffd\n"


def test_styles_and_lines_are_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = output_console()
    with console.capture() as capture:
        console.print("[bold]one[/bold]\ttwo\nthree")
    assert capture.get() == "\x1b[1mone\x1b[0m     two\nthree\n"
