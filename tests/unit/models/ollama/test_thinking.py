"""Thoughts in the text of an answer are kept apart while it comes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.profiles import examples
from tamias.models.ollama.thinking import ThoughtFilter


def split(pieces: list[str], *, is_on: bool = True) -> tuple[str, str]:
    divided = ThoughtFilter(is_on=is_on)
    found = [divided.add(piece) for piece in pieces]
    found.append(divided.end())
    return "".join(each.text for each in found), "".join(each.reasoning for each in found)


@pytest.mark.parametrize(
    ("text", "content", "reasoning"),
    [
        ("plain", "plain", ""),
        ("<think>Hm.</think>\n\nYes.", "Yes.", "Hm."),
        ("  <think>Hm.", "", "Hm."),
        ("<think></think>", "", ""),
        (" <thin", " <thin", ""),
        ("a <think>b</think>", "a <think>b</think>", ""),
        ("<think>a </thi</think>b </think>", "b </think>", "a </thi"),
        ("", "", ""),
    ],
)
@given(data=st.data())
@settings(max_examples=examples(40))
def test_however_the_text_is_cut(
    text: str, content: str, reasoning: str, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=6).map(sorted))
    pieces = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert split(pieces) == (content, reasoning)
    assert split(pieces, is_on=False) == (text, "")


def test_text_is_not_held_back() -> None:
    divided = ThoughtFilter()
    assert divided.add("<think>a").reasoning == "a"
    assert divided.add("b</").reasoning == "b"
    assert divided.add("think>\n").reasoning == ""
    assert divided.add("c").text == "c"
