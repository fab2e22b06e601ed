"""The modules that are compiled where tamias is installed, and whether they are here.

`scripts/packaging/core.py` compiles them, all together. Where it cannot, or where Python has
another version, they are plain Python and do the same.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Final

MODULES: Final = (
    "tamias.launcher.delivery.done_offsets",
    "tamias.store.encoding.keys",
    "tamias.store.encoding.paths",
    "tamias.store.shard.applying",
    "tamias.store.shard.batch",
)


def compiled_modules() -> list[str]:
    """The modules that this process imports, or would import, in compiled form."""
    return [name for name in MODULES if not _file_of(name).endswith(".py")]


def _file_of(name: str) -> str:
    module = sys.modules.get(name)
    if module is not None:
        return module.__file__ or ""
    spec = find_spec(name)
    return ".py" if spec is None or spec.origin is None else spec.origin


def described_core() -> str:
    """Say in plain words whether the core of tamias is compiled here."""
    compiled = compiled_modules()
    if not compiled:
        return "plain Python"
    if len(compiled) == len(MODULES):
        return f"compiled ({len(MODULES)} modules)"
    plain = ", ".join(name.removeprefix("tamias.") for name in MODULES if name not in compiled)
    return f"compiled in part ({len(compiled)} of {len(MODULES)} modules; plain Python: {plain})"
