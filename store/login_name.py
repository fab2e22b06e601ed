"""The name of the user of this process."""

from __future__ import annotations

import getpass
from contextlib import suppress


def login_name() -> str | None:
    """Return the user's name; None if the user has none."""
    with suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return None
