"""The settings of recorded runs."""

from __future__ import annotations

from ...naming.public import public
from ..option import ConfigOption
from ..values import parse_size, parse_words

__all__ = ["RecordOptions"]


@public
class RecordOptions:
    """Which runs are kept so that `tamias debug` can execute them again, and how much of them."""

    RECORD = ConfigOption(
        "record",
        str,
        "",
        parse=parse_words,
        fixed=True,
        description="Runs that are recorded for `tamias debug`: `failed`, `all`, or keys, several"
        " with commas in between or as a list; empty for none.",
    )
    RECORD_LIMIT = ConfigOption(
        "record-limit",
        int,
        64 << 20,
        parse=parse_size,
        fixed=True,
        description="Of recorded runs, a worker keeps about so much: the newest.",
    )
    DEAD_LETTER_RECORD = ConfigOption(
        "dead-letter-record",
        int,
        64 << 10,
        parse=parse_size,
        description="What a dead letter keeps of its run for `tamias debug`, at most: outcomes of"
        " durable calls, and the memory of its key before it; 0 for nothing.",
    )
