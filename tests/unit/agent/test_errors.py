"""Errors: they survive the trip between processes and say what to do."""

from __future__ import annotations

import inspect
import pickle

import pytest

from tamias.agent import errors
from tamias.agent.errors import (
    AgentDefinitionError,
    AgentFailedError,
    ConfigError,
    DivergenceError,
    DurableCallError,
    PoolError,
    RunError,
    StoreError,
    StoreFullError,
    TamiasError,
    UsageError,
)

ALL = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, TamiasError)
]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_survives_pickling(kind: type[TamiasError]) -> None:
    error = kind("what happened.", hint="what to do.")

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is kind
    assert (copy.message, copy.hint, str(copy)) == (error.message, error.hint, str(error))


@pytest.mark.parametrize("kind", ALL)
def test_every_error_is_public_and_described(kind: type[TamiasError]) -> None:
    assert kind.__name__ in errors.__all__
    assert kind.__doc__


def test_a_failed_agent_carries_the_traceback_and_the_place() -> None:
    error = AgentFailedError("boom.", user_traceback="Traceback: x\n", offset=7, key=("a", 1))

    copy = pickle.loads(pickle.dumps(error))

    assert (copy.user_traceback, copy.offset, copy.key) == ("Traceback: x\n", 7, ("a", 1))
    assert str(copy) == "boom.\n\nTraceback: x"


def test_the_text_is_the_message_and_the_hint() -> None:
    assert str(ConfigError("It is wrong.", hint="Put it right.")) == "It is wrong. Put it right."
    assert str(ConfigError("It is wrong.")) == "It is wrong."
    assert str(TamiasError()) == ""


def test_exit_codes() -> None:
    assert {kind.exit_code for kind in ALL if issubclass(kind, UsageError)} == {2}
    assert {kind.exit_code for kind in ALL if issubclass(kind, (RunError, PoolError))} == {1}
    assert StoreError.exit_code == 2
    assert StoreFullError.exit_code == 1


def test_the_tree() -> None:
    assert issubclass(DivergenceError, DurableCallError)
    assert issubclass(DurableCallError, RunError)
    assert issubclass(AgentDefinitionError, UsageError)
