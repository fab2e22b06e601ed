"""`is_subclass`, for what users give in place of classes."""

from __future__ import annotations

from typing import Any

import pytest

from tamias.agent.naming.classes import is_subclass


class Alias:
    """Says that it is a class, as `list[int]` does on Python 3.10."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type


def test_a_derived_class_is_one() -> None:
    assert is_subclass(ValueError, Exception)
    assert not is_subclass(int, Exception)


@pytest.mark.parametrize(
    "value", [list[int], dict[str, int] | None, Alias(), 3, None, "ValueError"]
)
def test_what_is_no_class_is_none_on_every_version_of_python(value: object) -> None:
    assert not is_subclass(value, Exception)
