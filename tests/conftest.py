"""What holds for all tests: marks by what a test needs, profiles, and several tests at a time.

A test says what it needs by a mark, or lies in a folder that says it (`NEEDS`). A test without the
mark `process` that starts one fails: the inner loop is to stay quick.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support import profiles
from support.nightly import left_out

if TYPE_CHECKING:
    from collections.abc import Generator

profiles.load()

NEEDS = {
    "tests/acceptance": ("process",),
    "tests/browser": ("process", "browser"),
    "tests/examples": ("process",),
    "tests/fire": ("process", "slow"),
    "tests/flink": ("process", "java", "flink", "slow"),
    "tests/integration": ("process",),
    "tests/docs/test_snippets.py": ("process", "java"),
    "tests/integration/test_java_resources.py": ("java",),
    "tests/unit/bridge/jvm": ("process", "java"),
    "tests/unit/bridge/resources": ("process", "java"),
}
"""By folder or file, the marks of all tests in it."""

SHARING_A_CACHE = {
    "test_cli_environments.py",
    "test_cli_up.py",
    "test_environment_interpreter.py",
    "test_provisioning.py",
}
"""Files whose tests make environments in the same place, and look what is there."""

LONGEST_FIRST = (
    "tests/flink/test_cluster.py",
    "environments",
    "tests/fire/test_write_points.py",
    "tests/flink/test_savepoint_from_before.py",
    "tests/flink/test_minicluster.py",
    "tests/flink/test_java_in_flink.py",
    "tests/unit/bridge/jvm/test_jvm_host.py",
    "tests/docs/test_snippets.py",
    "tests/integration/test_reload.py",
    "tests/fire",
)
"""Groups of tests that take longest. They begin first, so that all processes end together."""

STARTS_A_PROCESS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}
"""Audit events (see `sys.audit`) that only tests with the mark `process` may cause."""


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
    sys.addaudithook(_GUARD.audit)
    # Tests start Python a thousand times: compiling all of it each time would take minutes.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # A shell starts what it puts into the background with SIGINT ignored; children inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _ProcessGuard:
    """Makes a test fail that starts a process without saying so."""

    def __init__(self) -> None:
        self.forbidden = False

    def audit(self, event: str, _: tuple[object, ...]) -> None:
        if self.forbidden and event in STARTS_A_PROCESS:
            self.forbidden = False  # pytest may need a process to report the failure
            raise RuntimeError("this test starts a process: give it the mark `process`")


_GUARD = _ProcessGuard()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for place, marks in NEEDS.items():
            if item.nodeid.startswith((f"{place}/", f"{place}::")):
                for mark in marks:
                    item.add_marker(mark)
    if profiles.PROFILE != "nightly" and not _are_named(config):
        nightly = left_out(items)
        nightly.update(item for item in items if item.get_closest_marker("nightly"))
        config.hook.pytest_deselected(items=[item for item in items if item in nightly])
        items[:] = [item for item in items if item not in nightly]
    items.sort(key=lambda item: _rank(_together(item.nodeid)))


def _are_named(config: pytest.Config) -> bool:
    """Whether single tests are asked for by their names."""
    return any("::" in argument for argument in config.args)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, None, None]:
    _GUARD.forbidden = item.get_closest_marker("process") is None
    yield
    _GUARD.forbidden = False


def _together(nodeid: str) -> str:
    """The group of a test; those of a group run one after the other, in one process.

    Those of a file may share a fixture. Those of the folder `fire` share nothing, and take long.
    """
    file = nodeid.partition("::")[0]
    if file.startswith("tests/fire/"):
        return nodeid
    return "environments" if Path(file).name in SHARING_A_CACHE else file


def _rank(group: str) -> int:
    """Where a group stands in the order of beginning."""
    for rank, name in enumerate(LONGEST_FIRST):
        if group.startswith(name):
            return rank
    return len(LONGEST_FIRST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Where several processes run tests: which of them runs which group."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            return _together(nodeid)

    return Scheduling(config, log)
