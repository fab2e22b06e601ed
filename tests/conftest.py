"""Lets pytest live in a repository whose root is itself a package; and two tests run at a time."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

ALONE = "fire"
"""The folder whose tests have nothing in common with each other, and take long."""


class _RootIsAPlainDirectory:
    """The root's __init__.py belongs to `tamias`, under which name it is installed.

    pytest would take it for a package named after the clone's directory and import it once more
    under that name, or fail to when the directory's name is no identifier. It is a plugin, not a
    hook of this file, because a conftest's hooks are not asked about directories above it.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Dir | None:
        if path != parent.config.rootpath:
            return None
        root: pytest.Dir = pytest.Dir.from_parent(parent, path=path)
        return root


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_RootIsAPlainDirectory())
    # Tests start Python a thousand times: compiling all of it each time would take minutes.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several run at a time: the tests of a file run one after the other, by one process.

    They share a fixture, maybe. Files that share more say so themselves.
    """
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        if item.path.parent.name != ALONE and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
