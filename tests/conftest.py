"""Lets pytest live in a repository whose root is itself a package; and two tests run at a time."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

SHARING_A_CACHE = {
    "test_cli_environments.py",
    "test_cli_up.py",
    "test_environment_interpreter.py",
    "test_provisioning.py",
}
"""Files whose tests make environments in the same place, and look what is there."""


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


def _together(nodeid: str) -> str:
    """What a test has in common with those that must not run at the same time.

    Those of a file share a fixture, maybe. Those of the folder `fire` share nothing, and take long.
    """
    file = nodeid.partition("::")[0]
    if file.startswith("tests/fire/"):
        return nodeid
    return "environments" if Path(file).name in SHARING_A_CACHE else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Where several run at a time: which of them one process runs, one after the other."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            return _together(nodeid)

    return Scheduling(config, log)
