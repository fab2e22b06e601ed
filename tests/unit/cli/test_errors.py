"""An error is one message, whatever else is on the terminal."""

from __future__ import annotations

import io
import re

from rich.console import Console
from rich.live import Live

from tamias.cli.errors import print_error


def test_a_live_picture_does_not_part_a_message_from_its_label() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, color_system=None)
    with Live("picture", console=console, auto_refresh=False):
        print_error("shop: no such agent.", "Name another one.", "Traceback", console)
    shown = re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]|\r", "", screen.getvalue())
    assert "error: shop: no such agent.\n\nTraceback\n\nName another one.\n" in shown
