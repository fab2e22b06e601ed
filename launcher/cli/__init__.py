"""The `tamias` command: one module per command, and what they share.

`app` joins the commands; `guard` turns errors into messages and exit codes; `words` is how things
are said to people; `watching` shows a running job. What a command does is in the rooms below: here
is only what a terminal needs.
"""

from __future__ import annotations

from .app import main

__all__ = ["main"]
