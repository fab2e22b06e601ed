"""Turning what stands in a file, a command line or a ``set()`` into a typed value.

One function per type, all with the same shape: the value (a scalar from YAML, or text), and a typed
value or a plain ``ValueError`` whose text says what was wanted. Who calls them knows the key and
makes a `ConfigError` of it.

Sizes and durations use the units that Flink and the JVM use: ``k``, ``m``, ``g``, ``t`` are powers
of 1024, with or without ``b`` or ``ib`` behind them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from enum import Enum
from typing import Any

__all__ = [
    "AUTO",
    "LONGEST_DURATION",
    "any_duration",
    "as_float",
    "converter",
    "parse_cpus",
    "parse_duration",
    "parse_milliseconds",
    "parse_names",
    "parse_share",
    "parse_size",
    "parse_size_or_auto",
    "parse_words",
    "to_bool",
    "to_enum",
    "to_float",
    "to_int",
    "to_str",
]

AUTO = "auto"
"""The value of a setting that tamias derives from the machine."""

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgtp])(?:i?b)?|b|bytes)?", re.IGNORECASE)
_SIZE_EXPONENT = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5}

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|min|s|m|h|d)\s*", re.IGNORECASE)
_CPUS = re.compile(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*")
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
LONGEST_DURATION = 100 * 365 * 86_400.0
"""Seconds: what is longer than a century is a mistake in a unit, and no clock waits for it."""
_LONGEST_MILLISECONDS = 1 << 45
"""A thousand years."""
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def to_bool(value: object) -> bool:
    """True or false; text may say true/false, yes/no, on/off, 1/0 in any case."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    msg = "true or false"
    raise ValueError(msg)


def to_int(value: object) -> int:
    """A whole number; 4.0 and "4" are, 4.5 and true are not."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    msg = "a whole number"
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d+(?:_\d+)*\s*", value):
        try:
            return int(value)
        except ValueError:  # Python reads no number of thousands of digits
            raise ValueError(msg) from None
    raise ValueError(msg)


def to_float(value: object) -> float:
    """A number, also infinite, but never NaN."""
    number = math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = as_float(value)
    elif isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
    if math.isnan(number):
        msg = "a number"
        raise ValueError(msg)
    return number


def as_float(number: float) -> float:
    """A number as a float: infinite, as its text would be read, if it is too large for one."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def to_str(value: object) -> str:
    """Text; a number or truth value is spelled as YAML would."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    msg = "text"
    raise ValueError(msg)


def to_enum(value: object, kind: type[Enum]) -> Enum:
    """A member of ``kind``, given itself, by value or by name, in any case, ``-`` or ``_``."""
    if isinstance(value, kind):
        return value
    wanted = str(value).strip().lower().replace("-", "_")
    for member in kind:
        if wanted in (str(member.value).lower().replace("-", "_"), member.name.lower()):
            return member
    msg = "one of " + ", ".join(str(member.value) for member in kind)
    raise ValueError(msg)


def parse_size(value: object) -> int:
    """Bytes: 1048576, "1048576", "512MiB", "512m", "1.5g". Never negative."""
    if isinstance(value, str) and (found := _SIZE.fullmatch(value.strip())):
        number, unit = found.groups()
        scale: int = 1024 ** _SIZE_EXPONENT[unit.lower()] if unit else 1
        return int(number) * scale if number.isdigit() else round(float(number) * scale)
    try:
        size = to_int(value)
    except ValueError:
        size = -1
    if size >= 0:
        return size
    msg = "a size in bytes, such as 1048576, 512MiB or 1g"
    raise ValueError(msg)


def parse_size_or_auto(value: object) -> int | str:
    """Bytes, as `parse_size`, or "auto"."""
    if isinstance(value, str) and value.strip().lower() == AUTO:
        return AUTO
    try:
        return parse_size(value)
    except ValueError as error:
        raise ValueError(f"{error}, or {AUTO}") from None


def parse_duration(value: object) -> float:
    """Seconds: 30, "30", "30s", "250ms", "5min", "1h 30m", "2d"; from 0 to a century."""
    seconds = any_duration(value)
    if seconds > LONGEST_DURATION:
        msg = "a duration of at most a hundred years (a number alone is seconds)"
        raise ValueError(msg)
    return seconds


def any_duration(value: object) -> float:
    """Seconds, as `parse_duration`, however many: what others have said, which may be anything."""
    if isinstance(value, str):
        text = value.strip()
        parts = _DURATION.findall(text)
        if parts and not _DURATION.sub("", text):
            return sum(float(number) * _SECONDS[unit.lower()] for number, unit in parts)
    try:
        seconds = to_float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        msg = "a duration in seconds, or with a unit, such as 30, 250ms, 5min or 1h30m"
        raise ValueError(msg)
    return seconds


def parse_milliseconds(value: object) -> int:
    """Whole milliseconds: 60000, "60000", "30min", "30d". Never negative."""
    msg = "a whole number of milliseconds, 0 or more, or a duration with a unit, such as 30min"
    try:
        return _bounded(to_int(value), msg)
    except ValueError:
        pass
    if not isinstance(value, str) or not _DURATION.search(value):
        raise ValueError(msg)
    try:
        return _bounded(math.ceil(any_duration(value) * 1000), msg)
    except (ValueError, OverflowError):
        raise ValueError(msg) from None


def _bounded(milliseconds: int, msg: str) -> int:
    if not 0 <= milliseconds <= _LONGEST_MILLISECONDS:
        raise ValueError(msg)
    return milliseconds


def parse_share(value: object) -> float:
    """A share: a number from 0 to 1."""
    msg = "a number from 0 to 1"
    try:
        share = to_float(value)
    except ValueError:
        raise ValueError(msg) from None
    if not 0 <= share <= 1:
        raise ValueError(msg)
    return share


def parse_cpus(value: object) -> str:
    """Numbers of CPUs, such as "0,2-5", written out as "0,2,3,4,5"; or "spread"; or nothing."""
    text = str(value).replace(" ", "")
    if text in ("", "spread"):
        return text
    if isinstance(value, bool) or not _CPUS.fullmatch(text):
        msg = "'spread', or numbers of CPUs, such as 0,2-5"
        raise ValueError(msg)
    numbers: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return ",".join(map(str, sorted(numbers)))


def parse_names(value: object) -> str:
    """Names of classes, "package.module:Class", in a list or with commas in between."""
    names = value if isinstance(value, (list, tuple)) else str(value).split(",")
    stripped = [str(name).strip() for name in names]
    if all(_NAME.fullmatch(name) for name in stripped if name):
        return ",".join(name for name in stripped if name)
    msg = "module:Class, several with commas in between or as a list"
    raise ValueError(msg)


def parse_words(value: object) -> str:
    """Words, in a list or with commas in between."""
    words = value if isinstance(value, (list, tuple)) else str(value).split(",")
    return ",".join(word for word in (str(word).strip() for word in words) if word)


def converter(kind: type[Any]) -> Callable[[object], Any]:
    """The function above for a type; for a type without one, the value must be of it already."""
    plain: dict[type[Any], Callable[[object], Any]] = {
        bool: to_bool,
        int: to_int,
        float: to_float,
        str: to_str,
    }
    if kind in plain:
        return plain[kind]
    if issubclass(kind, Enum):
        return lambda value: to_enum(value, kind)

    def instance(value: object) -> Any:
        if isinstance(value, kind):
            return value
        raise ValueError(f"a {kind.__name__}")

    return instance
