"""Profiles: seconds by stack, which add up, travel as JSON and stay bounded."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tamias.worker.profiling.profile import Frame, Profile

FRAMES = st.builds(Frame, st.sampled_from("abc"), st.sampled_from(("", "x.py")), st.integers(0, 3))
PROFILES = st.dictionaries(
    st.lists(FRAMES, max_size=4).map(tuple), st.integers(1, 100).map(float), max_size=8
).map(Profile)


@given(PROFILES)
def test_a_profile_comes_back_from_json(profile: Profile) -> None:
    assert Profile.from_json(json.loads(json.dumps(profile.to_json()))).seconds == profile.seconds


@given(PROFILES, PROFILES)
def test_times_add_up(first: Profile, second: Profile) -> None:
    both = Profile(first.seconds)
    both.merge(second)
    assert both.total == first.total + second.total
    assert sum(both.own().values()) == sum(
        seconds for stack, seconds in both.seconds.items() if stack
    )
    assert all(value <= both.total for value in both.inclusive().values())


def test_with_too_many_stacks_the_time_is_kept_and_the_stack_is_not() -> None:
    profile = Profile(most=10)
    for number in range(1000):
        profile.add((Frame(f"f{number}"),), 1.0)
    assert len(profile.seconds) == 11
    assert profile.total == 1000


def test_the_difference_is_in_shares() -> None:
    a, b = (Frame("a"),), (Frame("b"),)
    found = {stack: shares for stack, *shares in Profile({a: 1}).minus(Profile({a: 3, b: 1}))}
    assert found == {a: [0.75, 1.0], b: [0.25, 0.0]}
