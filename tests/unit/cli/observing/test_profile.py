"""A profile that could not be written is not taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from tamias.agent.config.configuration import Configuration
from tamias.agent.errors import UsageError
from tamias.cli.app import application
from tamias.cli.observing.batch import check_profile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "said"), [("none/a.html", "There is no directory"), ("agent.py", "says no format")]
)
def test_where_it_is_to_go_is_looked_at_first(tmp_path: Path, name: str, said: str) -> None:
    words = ["profile", "no-state", "--output", str(tmp_path / name)]
    done = CliRunner().invoke(application("profile"), words, prog_name="tamias")
    assert (done.exit_code, said in " ".join(done.output.split())) == (2, True), done.output
    with pytest.raises(UsageError, match=said):
        check_profile(tmp_path / name, Configuration())


def test_what_memray_writes_has_endings_of_its_own(tmp_path: Path) -> None:
    words = ["profile", "no-state", "--memory", "--output", str(tmp_path / "held.bin")]
    done = CliRunner().invoke(application("profile"), words, prog_name="tamias")
    assert "no-state is not a state directory" in " ".join(done.output.split())
