"""What tests of Java resources need: the Java side of Flink Agents, classes of our own, agents."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tamias import Configuration
from tamias.agent.resources.provider import provider_of
from tamias.agent.resources.registry import ResourceRegistry
from tamias.agent.tools.tool import as_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tamias import ResourceType

VERSION = "0.2.0"
SOURCES = Path(__file__).parent

needs_java = [
    pytest.mark.skipif(
        find_spec("pyflink") is None or find_spec("py4j") is None,
        reason="PyFlink is not installed (it has no wheels for Python 3.13): tamias[flink]",
    ),
    pytest.mark.timeout(900),  # the first test of all may have to download 420 MB
]


@cache
def agents_jar() -> Path:
    """The jar of Flink Agents, out of its wheel, which is downloaded once for good."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tamias" / "tests"
    home.mkdir(parents=True, exist_ok=True)
    jar = home / f"flink-agents-dist-flink-2.2-{VERSION}.jar"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jar.is_file():
            with tempfile.TemporaryDirectory(dir=home) as folder:
                _download(Path(folder))
                wheel = next(Path(folder).glob("*.whl"))
                with zipfile.ZipFile(wheel) as archive:
                    member = f"flink_agents/lib/flink-2.2/{jar.name}"
                    Path(archive.extract(member, folder)).replace(jar)
    return jar


def _download(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--ignore-requires-python", f"flink-agents=={VERSION}", "--dest", str(folder)]
    subprocess.run(command, check=True, timeout=800)


@cache
def trials_jar() -> Path:
    """The classes under `support/java`, compiled."""
    from tamias.bridge.jvm.compiling import compiled
    from tamias.bridge.jvm.jars import flink_jar

    return compiled("trials", [flink_jar("flink-dist"), agents_jar()], SOURCES)


def java_settings(**more: Any) -> dict[str, Any]:
    """Settings with these classes on the class path; `more` with underscores for dashes."""
    settings = {"java-classpath": f"{agents_jar()}:{trials_jar()}", "java-options": "-Xmx256m"}
    return {**settings, **{name.replace("_", "-"): value for name, value in more.items()}}


@contextmanager
def registry(
    declared: dict[ResourceType, dict[str, Any]], **settings: Any
) -> Iterator[ResourceRegistry]:
    """The resources of an agent, without a pool around them."""
    providers = {
        kind: {name: provider_of(name, kind, as_tool(kind, what)) for name, what in named.items()}
        for kind, named in declared.items()
    }
    resources = ResourceRegistry(providers, Configuration(java_settings(**settings)))
    try:
        yield resources
    finally:
        resources.close()


def jvm_of(resource: Any) -> psutil.Process:
    """The JVM in which a Java resource lives, once it has been used."""
    life: str = resource._calls._session._address.life
    return psutil.Process(int(life.partition("-")[0]))


def jvms() -> list[psutil.Process]:
    """All JVMs that tamias has started for Java resources, anywhere on this machine."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = process.info["cmdline"] or []
        if "py4j.GatewayServer" in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def marked_jvms(mark: str) -> list[psutil.Process]:
    """Those of `jvms` that have inherited the variable `TEST_MARK` of this value.

    Other tests may start JVMs at the same time.
    """
    return [jvm for jvm in jvms() if _mark_of(jvm) == mark]


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("TEST_MARK")
    except psutil.Error:
        return None


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has, too."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def eventually(what: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether something comes true within some time."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
