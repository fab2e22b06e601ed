"""The files of the dashboard's page, as they are shipped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tamias
from tamias.console.profiles.flame_graph import DRAWING

ASSETS = Path(tamias.__file__).parent / "console" / "dashboard" / "assets"
FILES = sorted(path for path in ASSETS.rglob("*") if path.is_file())
MODULES = [path for path in [*FILES, *DRAWING] if path.suffix == ".js"]
MAKES_MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|Function\("
)
ADDRESS = re.compile(r"https?://[^\s\"']+")
NAMESPACE = "http://www.w3.org/2000/svg"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_text_of_the_job_cannot_become_markup(path: Path) -> None:
    assert not MAKES_MARKUP.search(path.read_text("utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    assert set(ADDRESS.findall(path.read_text("utf-8"))) <= {NAMESPACE}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_imports_are_of_files_that_are_there(path: Path) -> None:
    served = {f"/assets/{drawing.name}" for drawing in DRAWING}
    for name in re.findall(r'^import .* from "(.*)";$', path.read_text("utf-8"), re.MULTILINE):
        assert name in served or (path.parent / name).is_file(), name


def test_the_page_has_no_script_or_style_of_its_own() -> None:
    page = (ASSETS / "index.html").read_text("utf-8")
    assert re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL) == [""]
    assert "<style" not in page
    assert not re.search(r"\s(style|on\w+)=", page)
