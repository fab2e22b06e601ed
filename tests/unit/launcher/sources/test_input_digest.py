"""The digest of a program's inputs: any element has one, whatever its class does."""

from __future__ import annotations

from typing import Any

import pytest

from support.worker.exceptions import MADE
from tamias.launcher.sources.input_digest import InputDigest


def digest(*elements: Any) -> str:
    made = InputDigest()
    for element in elements:
        made.add(element)
    assert made.count == len(elements)
    return made.hexdigest()


class Fields(dict[str, Any]):
    def items(self) -> Any:
        raise KeyError("items")


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize("name", MADE)
def test_an_exception_has_one(name: str) -> None:
    assert digest({"value": MADE[name]()}) == digest({"value": MADE[name]()})


@pytest.mark.parametrize("value", [Fields(a=1), endless()], ids=["fields", "endless"])
def test_so_has_what_cannot_be_taken_apart(value: Any) -> None:
    assert digest({"value": value}, 1) != digest({"value": value}, 2)
