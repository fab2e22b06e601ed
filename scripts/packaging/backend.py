"""The build backend: that of setuptools, which asks for mypy where it compiles."""

from __future__ import annotations

from typing import Any

from core import NEEDS, is_wanted
from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 (all hooks but those below)


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """What a wheel needs."""
    needed: list[str] = build_meta.get_requires_for_build_wheel(config_settings)
    return [*needed, NEEDS] if is_wanted() else needed


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    """What an editable install needs."""
    needed: list[str] = build_meta.get_requires_for_build_editable(config_settings)
    return [*needed, NEEDS] if is_wanted(editable=True) else needed
