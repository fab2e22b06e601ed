"""Whether Flink Agents itself is installed, and is in the way.

Both distributions have a package `flink_agents`. In one folder, the files of one overwrite those of
the other, and what is left works as neither. In two folders, the first one is used as a whole.
"""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from typing import Final

from ..agent.errors import UsageError

__all__ = ["PACKAGE", "BesideFlinkAgentsError", "refuse_mixed_package", "their_folder"]

PACKAGE: Final = Path(__file__).parent / "package" / "flink_agents"
"""The modules of Flink Agents, as tamias has them."""


class BesideFlinkAgentsError(UsageError, ImportError):
    """The distributions `flink-agents` and `tamias-flink-agents` are in one folder."""


def their_folder() -> Path | None:
    """The folder of Flink Agents' own package; None, if it is not installed."""
    try:
        found = Distribution.from_name("flink-agents")
    except PackageNotFoundError:
        return None
    return Path(str(found.locate_file("flink_agents")))


def refuse_mixed_package(folder: Path) -> None:
    """Fail if the package in a folder is that of both distributions.

    Raises:
        BesideFlinkAgentsError: it is.
    """
    if folder == PACKAGE:
        return
    theirs = their_folder()
    if theirs is None or theirs.resolve() != folder.resolve():
        return
    msg = f"flink-agents and tamias-flink-agents are both installed in {folder}: it is of neither."
    hint = (
        "Uninstall both, then install one of them; or install flink-agents alone, and start "
        "programs with `tamias flink-agents run`, which needs no installation."
    )
    raise BesideFlinkAgentsError(msg, hint=hint)
