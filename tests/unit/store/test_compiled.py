"""The modules that are compiled where tamias is installed."""

from __future__ import annotations

from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import tamias
from tamias.store.compiled import MODULES, compiled_modules, described_core


def test_each_compiled_module_has_its_source_beside_it() -> None:
    folder = Path(tamias.__file__).parent
    for name in MODULES:
        source = folder.joinpath(*name.split(".")[1:]).with_suffix(".py")
        assert source.is_file()
        assert import_module(name).__name__ == name
        if name in compiled_modules():  # not by `__file__`, which mypyc gets wrong for some
            assert source.with_suffix(EXTENSION_SUFFIXES[0]).is_file()


def test_the_core_is_described_in_words() -> None:
    compiled = compiled_modules()
    if not compiled:
        assert described_core() == "plain Python"
    else:
        assert compiled == list(MODULES)
        assert described_core() == f"compiled ({len(MODULES)} modules)"
