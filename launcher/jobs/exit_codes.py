"""The exit codes of the command; those of errors are with the errors."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
FAILED: Final = 1
"""The agent or the pool has failed."""
WRONG: Final = 2
"""Usage, configuration, environment or state that does not fit."""
DEAD_LETTERS: Final = 3
"""Done, but some inputs are in the dead letters."""
INTERRUPTED: Final = 130
"""Nothing is lost, and it can be resumed."""
