"""Compiles the core of tamias where that is possible; all else is in pyproject.toml.

The environment variable `TAMIAS_COMPILE` decides: `0` compiles nothing; with `1` the installation
fails if it cannot compile; otherwise it compiles where there are a C compiler and Python's headers,
unless the install is editable. How that is done: scripts/packaging/core.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import setup

sys.path.insert(0, str(Path(__file__).resolve().parent / "scripts" / "packaging"))
from core import BuildCore, extension_modules, is_wanted

COMPILING = {"bdist_wheel", "build", "build_ext", "install", "editable_wheel", "develop"}
"""The commands of setuptools that compile; the others only ask for names and numbers."""
EDITABLE = {"editable_wheel", "develop"}

commands = set(sys.argv)
compiles = bool(COMPILING & commands) and is_wanted(editable=bool(EDITABLE & commands))
setup(ext_modules=extension_modules() if compiles else [], cmdclass={"build_ext": BuildCore})
