"""`RetryPolicy`: what it takes, what it retries, and how long it waits."""

from __future__ import annotations

import json
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamias import ConfigError, RetryPolicy

NOW = 1_800_000_000.0


class AskedError(Exception):
    """An exception that says how long to wait."""

    def __init__(self, retry_after: object) -> None:
        super().__init__("wait")
        self.retry_after = retry_after


class AnsweredError(Exception):
    """An exception with the headers of a response."""

    def __init__(self, headers: Any) -> None:
        super().__init__("answered")
        self.response = type("Response", (), {"headers": headers})()


def wait(policy: RetryPolicy, failed: int = 1, error: BaseException | None = None) -> float:
    return policy.wait_after(failed, error or OSError("down"), now=NOW, seed=b"run 1")


@pytest.mark.parametrize(
    "bad",
    [
        {"attempts": 0},
        {"attempts": -1},
        {"attempts": float("inf")},
        {"attempts": None},
        {"attempts": True},
        {"wait": -1},
        {"wait": "soon"},
        {"wait": timedelta(seconds=-1)},
        {"wait": float("inf")},
        {"longest": float("inf")},
        {"factor": 0.5},
        {"factor": float("nan")},
        {"jitter": 1.5},
        {"jitter": -0.1},
        {"retry_on": 7},
        {"retry_on": int},
        {"retry_on": "not a name"},
        {"retry_on": "print"},
        {"retry_on": ["OSError", "ConectionError"]},
        {"retry_on": "json.DecodeError"},
        {"retry_on": "json.dumps"},
        {"give_up_on": [""]},
        {"give_up_on": [OSError, 7]},
        {"give_up_on": "TimeOutError"},
        {"timeout": 0},
        {"timeout": -3},
        {"wait": 1e300},
        {"wait": 10**400},
        {"longest": "36501d"},
        {"longest": timedelta.max},
        {"timeout": "9" * 400 + "h"},
        {"factor": 10**400},
        {"attempts": -(10**400)},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_by_name(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        RetryPolicy(**bad)


def test_a_number_that_python_does_not_write_is_refused() -> None:
    with pytest.raises(ConfigError, match="'wait' of a retry policy is a huge number"):
        RetryPolicy(wait=10**5000)


def test_durations_are_numbers_texts_and_timedeltas() -> None:
    policy = RetryPolicy(wait="250ms", longest=timedelta(minutes=2), timeout="1min")
    assert (policy.wait, policy.longest, policy.timeout) == (0.25, 120.0, 60.0)


def test_a_mapping_as_in_yaml_is_a_policy() -> None:
    policy = RetryPolicy.of({"attempts": 7, "wait": "1s", "give-up-on": ["ValueError"]})
    assert policy == RetryPolicy(attempts=7, wait=1, give_up_on=("ValueError",))
    assert pickle.loads(pickle.dumps(policy)) == policy
    with pytest.raises(ConfigError, match="'tries'"):
        RetryPolicy.of({"tries": 7})
    with pytest.raises(ConfigError, match="no retry policy"):
        RetryPolicy.of(7)


def test_give_up_on_wins_over_retry_on() -> None:
    policy = RetryPolicy(
        retry_on=(OSError, "json.decoder.JSONDecodeError"), give_up_on="BrokenPipeError"
    )
    assert policy.retries(ConnectionResetError())
    assert not policy.retries(BrokenPipeError())
    assert not policy.retries(ValueError())
    assert RetryPolicy().retries(ValueError())
    assert not RetryPolicy().retries(SystemExit())


def test_exceptions_may_be_named_as_they_are_imported() -> None:
    policy = RetryPolicy(
        retry_on=["json.JSONDecodeError", "IOError", "library_that_is_not_imported.ItsError"]
    )
    assert policy.retries(json.JSONDecodeError("bad", "", 0))
    assert policy.retries(ConnectionError())
    assert not policy.retries(ValueError())
    assert RetryPolicy(retry_on="AskedError").retries(AskedError(1))
    named = type("ItsError", (Exception,), {"__module__": "library_that_is_not_imported"})
    assert policy.retries(named())
    assert RetryPolicy(give_up_on={"ItsError"}).retries(AskedError(1))


LATER = RetryPolicy(retry_on=f"{__name__}.LaterError")


class LaterError(Exception):
    """An exception that is named before there is one."""


def test_a_policy_may_name_an_exception_of_its_module_that_comes_later() -> None:
    assert LATER.retries(LaterError())
    assert not LATER.retries(OSError())


def test_waits_grow_up_to_the_longest() -> None:
    policy = RetryPolicy(wait=1, factor=3, longest=20, jitter=0)
    assert [wait(policy, failed) for failed in (1, 2, 3, 4, 5000)] == [1, 3, 9, 20, 20]


def test_an_exception_says_how_long() -> None:
    policy = RetryPolicy(wait=1, longest=60, jitter=0)
    later = datetime.fromtimestamp(NOW + 30, timezone.utc)
    assert wait(policy, error=AskedError(7)) == 7
    assert wait(policy, error=AskedError("3s")) == 3
    assert wait(policy, error=AskedError(timedelta(seconds=9))) == 9
    assert wait(policy, error=AskedError(later)) == 30
    assert wait(policy, error=AskedError(3600)) == 60
    assert wait(policy, error=AskedError("no duration")) == 1
    assert wait(policy, error=AnsweredError({"Retry-After": "12"})) == 12
    assert wait(policy, error=AnsweredError({"retry-after-ms": "1500"})) == 1.5
    date = later.strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert wait(policy, error=AnsweredError({"retry-after": date})) == 30
    error = RuntimeError("failed")
    error.__cause__ = AskedError(5)
    assert wait(policy, error=error) == 5


@given(
    failed=st.integers(1, 2000),
    first=st.floats(0, 1e4),
    factor=st.floats(1, 100),
    longest=st.floats(0, 1e4),
    jitter=st.floats(0, 1),
    seed=st.binary(max_size=20),
)
def test_waits_are_within_bounds_and_always_the_same(  # noqa: PLR0917 (drawn by Hypothesis)
    failed: int, first: float, factor: float, longest: float, jitter: float, seed: bytes
) -> None:
    policy = RetryPolicy(wait=first, factor=factor, longest=longest, jitter=jitter)
    even = RetryPolicy(wait=first, factor=factor, longest=longest, jitter=0)
    error = OSError()
    found = policy.wait_after(failed, error, now=NOW, seed=seed)
    plain = even.wait_after(failed, error, now=NOW, seed=seed)
    assert found == policy.wait_after(failed, error, now=NOW, seed=seed)
    assert 0 <= found <= longest
    assert plain * (1 - jitter) * 0.999 <= found <= plain * (1 + jitter) * 1.001
    assert plain <= even.wait_after(failed + 1, error, now=NOW, seed=seed)
    said = policy.wait_after(failed, AskedError(first), now=NOW, seed=seed)
    assert min(first, longest) <= said <= longest
