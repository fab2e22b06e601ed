"""The entry point of the keeper's process."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import suppress


def main() -> None:
    """Set the process up, and serve."""
    for number in (signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    with suppress(ImportError):
        from setproctitle import setproctitle  # noqa: PLC0415 (before the SDK is imported)

        setproctitle(f"{sys.argv[2]} MCP servers")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    logging.basicConfig(level=logging.WARNING, format="[mcp] %(name)s: %(message)s")
    # The SDK logs what a server does wrong with a traceback; the worker gets it as an error.
    logging.getLogger("mcp").setLevel(logging.ERROR)
    from .service import serve  # noqa: PLC0415 (imports the SDK)

    serve(sys.argv[1])
    os._exit(0)


if __name__ == "__main__":
    main()
