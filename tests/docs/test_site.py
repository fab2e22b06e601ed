"""The documentation as a site: it is built without a warning, and has the docstrings."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.house.pages import ROOT

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.nightly,
    pytest.mark.skipif(find_spec("sphinx") is None, reason="Sphinx is not installed"),
]


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    site = tmp_path / "site"
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-c", "scripts/site"]
    done = subprocess.run(
        [*command, "-d", str(tmp_path / "cache"), "-W", "--keep-going", "-q", "docs", str(site)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    api = (site / "api.html").read_text(encoding="utf-8")
    assert 'id="tamias.MemoryObject.get"' in api
    assert "A set of actions, which run when the events they listen to arrive" in api
    assert (site / "tutorial.html").exists()
