"""Which of the launcher's environment variables reach a worker of another environment."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

INHERITED: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM"),
    *("LANG", "LANGUAGE", "LC_*", "TZ", "TZDIR"),
    *("TMPDIR", "TEMP", "TMP", "XDG_*"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    "TAMIAS_*",
)
"""Variables for finding programs, files and the network, and for the language; no secrets, and
nothing about another Python."""


def worker_variables(
    ours: Mapping[str, str],
    inherit: Iterable[str],
    given: Mapping[str, str | None],
    python: str,
    *,
    is_virtual: bool,
) -> dict[str, str]:
    """Return the environment variables of a worker.

    Args:
        ours: the launcher's.
        inherit: more patterns of inherited names, besides `INHERITED`.
        given: variables that the user has set; None removes one.
        python: the worker's interpreter: its folder is the first on PATH.
        is_virtual: whether it belongs to a virtual environment.
    """
    patterns = (*INHERITED, *inherit)
    variables = {
        name: value
        for name, value in ours.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    folder = Path(python).parent
    variables["PATH"] = f"{folder}:{variables.get('PATH', '/usr/bin:/bin')}"
    if is_virtual:
        variables["VIRTUAL_ENV"] = str(folder.parent)
    for name, value in given.items():
        if value is None:
            variables.pop(name, None)
        else:
            variables[name] = value
    return variables
