"""Errors that one process reports to another."""

from __future__ import annotations

import json

import pytest

from tamias import AgentFailedError, ConfigError, PoolError, TamiasError, WorkerStartError
from tamias.agent.failures.error_json import error_from_json, error_to_json


def sent(error: BaseException, *, with_traceback: bool = True) -> TamiasError:
    return error_from_json(
        json.loads(json.dumps(error_to_json(error, with_traceback=with_traceback)))
    )


def raise_theirs() -> None:
    raise ValueError("of theirs")


def test_an_error_arrives_as_it_was_sent() -> None:
    copy = sent(ConfigError("It is wrong.", hint="Put it right."))
    assert type(copy) is ConfigError
    assert (copy.message, copy.hint) == ("It is wrong.", "Put it right.")


def test_the_traceback_of_users_code_arrives() -> None:
    copy = sent(AgentFailedError("boom", user_traceback="Traceback: x"))
    assert isinstance(copy, AgentFailedError)
    assert (copy.message, copy.user_traceback) == ("boom", "Traceback: x")


def test_an_exception_of_the_users_is_named_and_has_its_traceback() -> None:
    with pytest.raises(ValueError, match="theirs") as caught:
        raise_theirs()
    body = error_to_json(caught.value)
    short = sent(caught.value, with_traceback=False)
    for kind in (PoolError, WorkerStartError):
        copy = error_from_json(body, otherwise=kind)
        assert type(copy) is kind
        assert copy.message.startswith("ValueError: of theirs\n\nTraceback")
    assert (type(short), short.message) == (PoolError, "ValueError: of theirs")


def test_a_class_of_ours_that_others_do_not_know_is_named() -> None:
    class NoAnswerError(PoolError):
        """Not in `errors`."""

    copy = sent(NoAnswerError("no answer", hint="Wait."))
    assert (type(copy), copy.message, copy.hint) == (PoolError, "NoAnswerError: no answer", "Wait.")
