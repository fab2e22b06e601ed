"""A session in an interpreter of its own: the request is a JSON object in `sys.argv`."""

from __future__ import annotations

import faulthandler
import json
import sys

from ...agent.errors import TamiasError
from .session import Request, debug

__all__ = ["main"]


def main() -> int:
    """Execute the session; return the exit code."""
    faulthandler.enable()  # a dead letter may be of a crash
    fields = json.loads(sys.argv[1])
    fields["changed"] = tuple(fields["changed"])
    try:
        return debug(Request(**fields), print)
    except TamiasError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return error.exit_code
