"""Client libraries that need not be installed."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from ...agent.errors import MissingExtraError

__all__ = ["import_sdk"]


def import_sdk(package: str, extra: str, *, major: int | None = None) -> Any:
    """Import the client library of a provider.

    Args:
        package: its name.
        extra: the extra of tamias that installs it.
        major: the only major version that is known to work.

    Raises:
        MissingExtraError: it is not installed, or in another version.
    """
    found = sys.modules.get(package)
    if found is not None:
        return found
    hint = f"Install it with: pip install 'tamias[{extra}]'"
    try:
        found = import_module(package)
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] != package:
            msg = f"The package {package} cannot be imported: {error}."
        else:
            msg = f"The package {package} is not installed."
        raise MissingExtraError(msg, hint=hint) from None
    version = str(getattr(found, "__version__", ""))
    if major is not None and version and version.partition(".")[0] != str(major):
        del sys.modules[package]
        msg = f"The package {package} is installed in version {version}; version {major} is needed."
        raise MissingExtraError(msg, hint=hint)
    return found
