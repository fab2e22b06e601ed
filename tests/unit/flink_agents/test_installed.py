"""Both distributions with a package `flink_agents` in one folder are refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tamias import TamiasError
from tamias.flink_agents.installed import (
    PACKAGE,
    BesideFlinkAgentsError,
    refuse_mixed_package,
    their_folder,
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder in which Flink Agents is installed."""
    metadata = tmp_path / "flink_agents-0.3.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: flink-agents\nVersion: 0.3.1\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def test_nothing_is_refused_where_flink_agents_is_not_installed(tmp_path: Path) -> None:
    assert their_folder() is None
    refuse_mixed_package(tmp_path)


def test_the_same_folder_is_refused(site: Path) -> None:
    with pytest.raises(BesideFlinkAgentsError, match="both installed") as caught:
        refuse_mixed_package(site / "flink_agents")
    assert isinstance(caught.value, TamiasError)
    assert isinstance(caught.value, ImportError)
    assert "tamias flink-agents run" in str(caught.value.hint)


def test_another_folder_is_not_refused(site: Path, tmp_path: Path) -> None:
    refuse_mixed_package(PACKAGE)
    refuse_mixed_package(tmp_path / "elsewhere" / "flink_agents")
