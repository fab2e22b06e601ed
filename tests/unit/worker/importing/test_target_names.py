"""What a target that names nothing was meant to name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tamias.agent.errors import TargetError
from tamias.launcher.jobs.target import checked_target
from tamias.worker.importing.target_names import meant_target

if TYPE_CHECKING:
    from pathlib import Path

SLIPS = {
    "ok.Ok": "ok:Ok",
    "ok.py.Ok": "ok:Ok",
    "ok.py::Ok": "ok:Ok",
    "ok::Ok": "ok:Ok",
    "ok.Ok.inner": "ok:Ok.inner",
    "package.module.Ok": "package.module:Ok",
    "package/module:Ok": "package/module.py:Ok",
    "package/module.Ok": "package/module.py:Ok",
    "./ok.py.Ok": "ok.py:Ok",
    "package/module": "package/module.py",
    "document": "document.yaml",
    "document.yml:asks": "document.yaml:asks",
    "document.asks": "document.yaml:asks",
}


@pytest.mark.parametrize("target", SLIPS)
def test_the_right_name_is_offered(target: str, tmp_path: Path) -> None:
    (tmp_path / "ok.py").touch()
    (tmp_path / "document.yaml").touch()
    (tmp_path / "package").mkdir()
    (tmp_path / "package/module.py").touch()
    assert meant_target(target, tmp_path) == SLIPS[target]
    with pytest.raises(TargetError) as raised:
        checked_target(target, folder=tmp_path)
    assert raised.value.hint == f"Did you mean {SLIPS[target]}?"
    checked_target(SLIPS[target], folder=tmp_path)


@pytest.mark.parametrize("target", ["nope.Ok", "nope", "no/such.py:Ok", ""])
def test_nothing_is_offered_where_nothing_is(target: str, tmp_path: Path) -> None:
    assert meant_target(target, tmp_path) == ""
