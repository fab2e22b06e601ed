"""Tells tamias's own code from the user's, by its file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

OWN_FOLDERS: Final = tuple(
    f"{Path(__file__).parents[1] / folder}{os.sep}"
    for folder in ("agent", "models", "store", "worker", "console/debugging", "launcher/testing")
)
"""Beginnings of the names of files that run in a worker and are not the user's."""
