"""The URL of a collector, to which metrics and traces are sent."""

from __future__ import annotations

from urllib.parse import urlsplit

from ...agent.errors import UsageError


def check_url(url: str) -> None:
    """Check that a text is the URL of a collector.

    Raises:
        UsageError: it is not.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UsageError(
            f"{url} is no URL of a collector.", hint="Give one as http://localhost:4318."
        )
