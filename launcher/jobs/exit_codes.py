"""The exit codes of the command; each error class has its own in `agent/errors.py`."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
FAILED: Final = 1
"""The agent or the pool has failed."""
WRONG: Final = 2
"""Usage, configuration, environment or state is wrong."""
DEAD_LETTERS: Final = 3
"""Done, but some inputs are in the dead letters, or the input's last line has no end yet."""
WAITING: Final = 4
"""Done but for runs that wait; the job can be resumed, and goes on when something is due."""
INTERRUPTED: Final = 130
"""Interrupted without loss; it can be resumed."""
