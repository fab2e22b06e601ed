"""What tells durable calls apart in Flink Agents' records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

pytestmark = pytest.mark.process


def test_calls_are_told_apart_by_function_and_arguments(run_program: RunProgram) -> None:
    program = """
    import json
    from threading import Lock
    from flink_agents.runtime.durable_execution import (
        _compute_args_digest as digest,
        _compute_function_id as name,
        _validate_reconciler_callable as validated,
    )

    class Shop:
        def buy(self, item): ...
        def look(self): ...

    def refused(reconciler):
        try:
            validated(reconciler)
        except TypeError as error:
            return str(error)

    locked = (Lock(),)
    print(json.dumps([
        name(Shop().buy), name(Shop()), len(digest((), {})), digest((1,), {}) == digest((1,), {}),
        digest((1,), {"a": 2}) == digest((1, 2), {}), digest(locked, {}) == digest(locked, {}),
        refused(3), refused(Shop().buy), refused(Shop().look), refused(None),
    ]))
    """
    assert json.loads(run_program(program)) == [
        "__main__.Shop.buy",
        "__main__.Shop",
        16,
        True,
        False,
        True,
        "reconciler must be callable",
        "reconciler must be a callable that takes no arguments",
        None,
        None,
    ]
