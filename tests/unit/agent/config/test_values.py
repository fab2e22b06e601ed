"""Values from files and command lines: what is read, and what is refused."""

from __future__ import annotations

import math
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamias.agent.config.values import (
    converter,
    parse_duration,
    parse_size,
    to_bool,
    to_enum,
    to_float,
    to_int,
    to_str,
)


class Mode(Enum):
    READ_ONLY = "read-only"
    FULL = 1


@pytest.mark.parametrize("value", [True, "true", "True", " YES ", "on", "1", 1])
def test_true(value: object) -> None:
    assert to_bool(value) is True


@pytest.mark.parametrize("value", [False, "false", "No", "off", "0", 0])
def test_false(value: object) -> None:
    assert to_bool(value) is False


@pytest.mark.parametrize("value", ["", "maybe", "2", 2, 1.0, None, [], "truex"])
def test_neither_true_nor_false(value: object) -> None:
    with pytest.raises(ValueError, match="true or false"):
        to_bool(value)


@given(st.integers())
def test_whole_numbers(number: int) -> None:
    assert to_int(number) == to_int(str(number)) == to_int(f" {number} ") == number
    assert type(to_int(str(number))) is int


@pytest.mark.parametrize("value", [4.5, "4.5", "four", "", True, None, "0x10", math.inf, "1e3", []])
def test_no_whole_number(value: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        to_int(value)


def test_whole_numbers_in_other_forms() -> None:
    assert to_int(4.0) == 4
    assert to_int("1_000") == 1000
    assert to_int("+3") == 3


@given(st.floats(allow_nan=False))
def test_numbers(number: float) -> None:
    assert to_float(number) == to_float(str(number)) == number


@pytest.mark.parametrize("value", ["nan", math.nan, "x", "", True, None, "1,5", {}])
def test_no_number(value: object) -> None:
    with pytest.raises(ValueError, match="a number"):
        to_float(value)


def test_text_is_what_yaml_would_spell() -> None:
    assert [to_str(value) for value in ("x", "", 7, 1.5, True, False)] == [
        "x",
        "",
        "7",
        "1.5",
        "true",
        "false",
    ]
    wrong: list[object] = [None, [], {}, b"x"]
    for value in wrong:
        with pytest.raises(ValueError, match="text"):
            to_str(value)


@pytest.mark.parametrize("value", [Mode.READ_ONLY, "read-only", "READ_ONLY", "Read-Only"])
def test_members_of_an_enum(value: object) -> None:
    assert to_enum(value, Mode) is Mode.READ_ONLY


def test_members_of_an_enum_whose_values_are_no_text() -> None:
    assert to_enum("full", Mode) is to_enum(1, Mode) is to_enum("1", Mode) is Mode.FULL
    with pytest.raises(ValueError, match="one of read-only, 1"):
        to_enum("none", Mode)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 1 << 20),
        ("512MiB", 512 << 20),
        ("512mb", 512 << 20),
        ("512 M", 512 << 20),
        ("1g", 1 << 30),
        ("1.5k", 1536),
        ("2T", 2 << 40),
        ("10b", 10),
        ("10 bytes", 10),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@given(st.integers(0, 10**20))
def test_large_sizes_are_exact(size: int) -> None:
    assert parse_size(f"{size}k") == size * 1024
    assert parse_size(size) == parse_size(str(size)) == size


@pytest.mark.parametrize("value", ["-1", -1, "1x", "", "MiB", 1.5, True, None, "1 g g", math.inf])
def test_no_size(value: object) -> None:
    with pytest.raises(ValueError, match="size in bytes"):
        parse_size(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30),
        ("30s", 30),
        ("0.5", 0.5),
        ("250ms", 0.25),
        ("5min", 300),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("2 d", 172800),
        ("10us", 1e-5),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)
    assert parse_duration(seconds) == seconds


@pytest.mark.parametrize("value", ["-1", -1, "1x", "", "s", True, None, "inf", "nan", "1h and 2m"])
def test_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="duration in seconds"):
        parse_duration(value)


@pytest.mark.parametrize("value", ["9" * 400 + "s", "36501d", 3.2e9, 10**400, "876001h"])
def test_no_duration_is_longer_than_a_century(value: object) -> None:
    with pytest.raises(ValueError, match=r"^a duration "):
        parse_duration(value)
    assert parse_duration("36500d") == 36500 * 86400


def test_numbers_too_large_for_python_are_read_or_refused_as_others() -> None:
    assert to_float(10**400) == to_float("1e400") == math.inf
    assert to_float(-(10**400)) == -math.inf
    with pytest.raises(ValueError, match=r"^a whole number$"):
        to_int("9" * 5000)


def test_other_types_are_taken_as_they_are() -> None:
    assert converter(list)([1]) == [1]
    with pytest.raises(ValueError, match="a list"):
        converter(list)("[1]")
