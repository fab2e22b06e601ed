"""What arrives of streams waits for its reader, within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tamias.launcher.streams import text_streams
from tamias.launcher.streams.text_streams import TextStreams

if TYPE_CHECKING:
    import pytest


def parts(*offsets: int, text: str = "abc") -> dict[str, Any]:
    return {"parts": [[offset, 0, 0, 1, 1, 1, text, ""] for offset in offsets]}


def test_only_what_is_wanted_is_kept() -> None:
    woken: list[int] = []
    streams = TextStreams(lambda: woken.append(1))
    streams.want([1, 2])
    streams.forget([2, 3])
    streams.receive(parts(1, 2, 3))
    assert [part.offset for part in streams.take()] == [1]
    assert streams.take() == []
    assert woken == [1]


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_streams, "MOST_CHARACTERS", 7)
    streams = TextStreams(lambda: None)
    streams.want([1])
    for _ in range(5):
        streams.receive(parts(1))
    assert len(streams.take()) == 2
    streams.receive(parts(1))
    assert len(streams.take()) == 1
