"""The distributions, built and installed: programs run with both, and with tamias alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from support.house.pages import ROOMS, ROOT

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(300)]

FILES = ("__init__.py", "__main__.py", "testing.py", "py.typed", "setup.py", "pyproject.toml")
TEXTS = ("README.md", "LICENSE")

PROGRAM = """
from flink_agents.api.agents.agent import Agent
from flink_agents.api.decorators import action
from flink_agents.api.events.event import Event, InputEvent, OutputEvent
from flink_agents.api.execution_environment import AgentsExecutionEnvironment
from flink_agents.api.runner_context import RunnerContext


class Where(Agent):
    @action(InputEvent.EVENT_TYPE)
    @staticmethod
    def act(event: Event, ctx: RunnerContext) -> None:
        import flink_agents

        ctx.send_event(OutputEvent(output=flink_agents.__file__))


if __name__ == "__main__":
    import json
    import flink_agents

    environment = AgentsExecutionEnvironment.get_execution_environment()
    outputs = environment.from_list([{"key": "k", "value": 1}]).apply(Where()).to_list()
    environment.execute()
    print(json.dumps([flink_agents.__file__, outputs[0]["k"]]))
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both distributions from a copy of the sources."""
    folder = tmp_path_factory.mktemp("wheels")
    sources = folder / "sources"
    sources.mkdir()
    for name in (*FILES, *TEXTS):
        shutil.copy(ROOT / name, sources / name)
    for name in (*ROOMS, "scripts/packaging"):
        ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
        shutil.copytree(ROOT / name, sources / name, ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*command, "-w", str(folder), str(sources), str(sources / "flink_agents" / "package")],
        env={**os.environ, "TAMIAS_COMPILE": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An environment with what tamias needs, and without tamias; its folder of packages."""
    venv.create(tmp_path / "venv", with_pip=False)
    (found,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    own = [path for path in sys.path if path.endswith("site-packages")]
    (found / "needed.pth").write_text("\n".join(own))
    (tmp_path / "program.py").write_text(PROGRAM)
    return found


def install(site: Path, *wheels: Path) -> None:
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)


def run(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    folder = site.parents[3]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [str(folder / "venv" / "bin" / "python"), *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def places(done: subprocess.CompletedProcess[str]) -> list[Path]:
    """The packages of the program and of its worker."""
    assert done.returncode == 0, done.stderr
    return [Path(each).parent for each in json.loads(done.stdout.splitlines()[-1])]


def test_installed_beside_tamias_and_without_an_installation(wheels: Path, site: Path) -> None:
    (tamias,) = wheels.glob("tamias-*.whl")
    install(site, tamias)
    run_by_command = run(site, "-m", "tamias", "flink-agents", "run", "program.py")
    inside = site / "tamias" / "flink_agents" / "package" / "flink_agents"
    assert places(run_by_command) == [inside, inside]
    assert run(site, "program.py").returncode == 1
    install(site, *wheels.glob("tamias_flink_agents-*.whl"))
    assert places(run(site, "program.py")) == [site / "flink_agents"] * 2


def test_beside_flink_agents_itself(wheels: Path, site: Path) -> None:
    (tamias,) = wheels.glob("tamias-*.whl")
    (package,) = wheels.glob("tamias_flink_agents-*.whl")
    metadata = site / "flink_agents-0.3.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: flink-agents\nVersion: 0.3.1\n"
    )
    theirs = site / "flink_agents"
    theirs.mkdir()
    (theirs / "__init__.py").write_text("raise AssertionError('theirs')")
    install(site, tamias)
    inside = site / "tamias" / "flink_agents" / "package" / "flink_agents"
    done = run(site, "-m", "tamias", "flink-agents", "run", "program.py")
    assert places(done) == [inside, inside]
    install(site, package)
    done = run(site, "program.py")
    assert done.returncode == 1
    assert "flink-agents and tamias-flink-agents are both installed in" in done.stderr
    assert "Uninstall both, then install one of them" in done.stderr
