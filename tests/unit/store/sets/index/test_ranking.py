"""Scores of words, orders that are joined, and weights that fade."""

from __future__ import annotations

import pytest

from tamias.store.sets.index.ranking import TextStatistics, decay, fuse, word_score


def test_rare_words_say_more_and_long_texts_less() -> None:
    statistics = TextStatistics(100, 1000, {1: 1, 2: 50, 3: 100})
    assert statistics.mean_length == 10
    assert statistics.weight(1) > statistics.weight(2) > statistics.weight(3) > 0
    assert statistics.weight(4) > statistics.weight(1)
    assert word_score(2, 10, 10) > word_score(1, 10, 10) > word_score(1, 20, 10)
    assert TextStatistics(0, 0, {}).mean_length == 1


def test_what_two_orders_agree_upon_comes_first() -> None:
    scores = fuse(["a", "b", "c"], ["d", "b"])
    assert sorted(scores, key=lambda name: -scores[name]) == ["b", "a", "d", "c"]
    assert scores["a"] == 1 / 61


def test_weights_halve_with_each_half_life() -> None:
    assert decay(20, 10) == pytest.approx(0.25)
    assert decay(-5, 10) == 1
    assert decay(1e300, 1e-3) >= 0
