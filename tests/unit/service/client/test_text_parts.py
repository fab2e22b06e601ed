"""What a program sees of calls that are under way, whatever is lost or comes again."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.profiles import examples
from tamias.service.client.text_parts import StreamPart, TextParts


def seen(*parts: list[Any]) -> list[StreamPart]:
    texts = TextParts()
    for part in parts:
        texts.add([part])
    texts.end()
    return list(texts)


def part(place: int, text: str, *, call: int = 0, attempt: int = 1, epoch: int = 1) -> list[Any]:
    return [0, call, epoch, attempt, place, text, ""]


def test_calls_and_attempts_are_counted_from_one() -> None:
    assert seen(part(1, "a", call=7, attempt=31), part(1, "b", call=3, attempt=32)) == [
        StreamPart(1, 1, "a"),
        StreamPart(2, 1, "b"),
    ]


def test_a_later_attempt_begins_with_a_reset() -> None:
    assert seen(part(1, "a"), part(1, "x", attempt=2), part(2, "b")) == [
        StreamPart(1, 1, "a"),
        StreamPart(1, 2, reset=True),
        StreamPart(1, 2, "x"),
    ]


def test_an_attempt_of_a_later_worker_is_later_whatever_its_number() -> None:
    parts = seen(part(1, "a", attempt=40), part(1, "b", attempt=1, epoch=2))
    assert [each.text for each in parts] == ["a", "", "b"]


def test_nothing_is_shown_behind_a_gap() -> None:
    assert seen(part(1, "a"), part(3, "c"), part(4, "d"), part(2, "b")) == [StreamPart(1, 1, "a")]
    assert seen(part(2, "b"), part(1, "a")) == []
    assert [each.text for each in seen(part(2, "b"), part(1, "x", attempt=2))] == ["x"]


def test_what_comes_twice_is_shown_once() -> None:
    assert [each.text for each in seen(part(1, "a"), part(1, "a"), part(2, "b"))] == ["a", "b"]


@settings(max_examples=examples(200))
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 5)), max_size=20))
def test_what_is_shown_of_an_attempt_is_always_its_beginning(order: list[tuple[int, int]]) -> None:
    shown = ""
    for each in seen(
        *(part(place, f"{attempt}{place} ", attempt=attempt) for attempt, place in order)
    ):
        shown = "" if each.reset else shown + each.text
        words = shown.split()
        attempts = {word[0] for word in words}
        assert len(attempts) <= 1
        assert words == [f"{attempt}{n}" for attempt in attempts for n in range(1, len(words) + 1)]
