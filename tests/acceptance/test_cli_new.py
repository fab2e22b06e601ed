"""`tamias new`: the project that it makes runs, and its tests pass."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_project_runs_and_its_tests_pass(tmp_path: Path) -> None:
    made = Folder(tmp_path).tamias("new", "shop-totals").stdout
    assert made.startswith("made shop-totals: agent.py, test_agent.py, orders.jsonl, deployment")
    project = tmp_path / "shop-totals"
    original = (project / "agent.py").read_text(encoding="utf-8")
    folder = Folder.__new__(Folder)  # without the agent of these tests
    folder.path = project
    checked = folder.tamias("up", "deployment.yaml", "--check").stdout
    assert checked == "shop-totals: agent:ShopTotalsAgent to totals.jsonl\n"
    folder.tamias("up", "deployment.yaml")
    assert [line["output"]["total"] for line in folder.lines("totals.jsonl")].count(42) == 1
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "3 passed" in tests.stdout, tests.stdout
    assert "shop-totals" in original
    assert "class ShopTotalsAgent(Agent):" in original
    texts = [path.read_text() for path in project.iterdir() if path.is_file()]
    assert "PLACEHOLDER" not in "".join(texts)


@pytest.mark.parametrize("template", [pytest.param("chat", marks=pytest.mark.nightly), "yaml"])
def test_the_tests_of_a_template_pass(
    template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    made = Folder(tmp_path).tamias("new", "shop-totals", "--template", template).stdout
    project = tmp_path / "shop-totals"
    assert made.startswith("made shop-totals: agent")
    folder = Folder.__new__(Folder)
    folder.path = project
    checked = folder.tamias("up", "deployment.yaml", "--check").stdout
    assert checked.startswith("shop-totals: agent")
    monkeypatch.delenv("OPENAI_API_KEY")
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert " passed" in tests.stdout, tests.stdout
    texts = [path.read_text() for path in project.iterdir() if path.is_file()]
    assert "PLACEHOLDER" not in "".join(texts)


def test_there_is_no_other_template(tmp_path: Path) -> None:
    told = Folder(tmp_path).tamias("new", "x", "--template", "yml", code=2).stderr
    assert "There is no template 'yml'." in told
    assert "There are: orders, chat, yaml" in told


@pytest.mark.parametrize("name", ["1st", "a b", "..", "naïve"])
def test_a_name_must_be_one(name: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert "is no name for a project" in folder.tamias("new", name, code=2).stderr
    assert folder.everything() == {"agent.py"}


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/file").touch()
    assert "exists already" in folder.tamias("new", "taken", code=2).stderr
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["file"]
    (tmp_path / "empty").mkdir()
    folder.tamias("new", "empty")
