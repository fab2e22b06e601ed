"""Tells tamias's own code from the user's, by its file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

OWN_FOLDERS: Final = tuple(
    f"{package}{os.sep}{folder}{os.sep}"
    for folder in ("agent", "models", "store", "worker", "console/debugging", "launcher/testing")
    for package in (Path(__file__).parents[1], "tamias")  # compiled code has names without a root
)
"""Beginnings of the names of files that run in a worker and are not the user's."""
