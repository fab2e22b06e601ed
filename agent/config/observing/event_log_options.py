"""The settings of the event log."""

from __future__ import annotations

from enum import Enum

from ...naming.public import public
from ..option import ConfigOption
from ..values import parse_duration, parse_size, parse_words

__all__ = ["EventLogLevel", "EventLogOptions"]


@public
class EventLogLevel(str, Enum):
    """How much of an event the event log has."""

    OFF = "OFF"
    STANDARD = "STANDARD"
    VERBOSE = "VERBOSE"

    def __str__(self) -> str:
        return self.value


@public
class EventLogOptions:
    """What workers write into the event log, for `tamias trace`."""

    LEVEL = ConfigOption(
        "event-log.level",
        EventLogLevel,
        EventLogLevel.STANDARD,
        description="How much the event log has of an event: OFF, nothing; STANDARD, its contents"
        " cut by event-log.standard.*; VERBOSE, all. event-log.type.TYPE.level is the same for one"
        " type of events, also for _execution_started_event, _execution_finished_event,"
        " _execution_failed_event and _execution_reused_event. OFF, without a type, ends the log.",
    )
    MAX_STRING_LENGTH = ConfigOption(
        "event-log.standard.max-string-length",
        int,
        2000,
        minimum=0,
        description="Longer texts are cut in the event log, at level STANDARD; 0 for none.",
    )
    MAX_ARRAY_ELEMENTS = ConfigOption(
        "event-log.standard.max-array-elements",
        int,
        20,
        minimum=0,
        description="Longer lists are cut in the event log, at level STANDARD; 0 for none.",
    )
    MAX_DEPTH = ConfigOption(
        "event-log.standard.max-depth",
        int,
        5,
        minimum=0,
        description="What lies deeper in an event is left out, at level STANDARD; 0 for nothing.",
    )
    FOLDER = ConfigOption(
        "event-log.folder",
        str,
        "",
        description="Where the event log is, with a file of its own for each worker and state"
        " directory; empty for the state directory. Of a Flink job, a folder on each machine.",
    )
    BASE_LOG_DIR = ConfigOption(
        "baseLogDir",
        str,
        "",
        description="As event-log.folder, where that is empty, for programs of Flink Agents: with"
        " all runs, unless event-log.sample and event-log.rate say otherwise.",
    )
    SLOW = ConfigOption(
        "event-log.slow",
        float,
        1.0,
        parse=parse_duration,
        description="A run that takes this long, waits left out, is in the event log, as is each"
        " one that fails; 0 for all runs.",
    )
    SAMPLE = ConfigOption(
        "event-log.sample",
        int,
        1000,
        minimum=0,
        description="Of all other runs, one in so many is in the event log; 0 for none.",
    )
    KEYS = ConfigOption(
        "event-log.keys",
        str,
        "",
        parse=parse_words,
        description="All runs of these keys are in the event log: texts or JSON, with commas in"
        " between or as a list.",
    )
    RATE = ConfigOption(
        "event-log.rate",
        float,
        100.0,
        minimum=0.0,
        description="So many runs a second, at most, does each worker write into the event log,"
        " those of event-log.keys left aside; the rest is counted. 0 for any number.",
    )
    MAX_BYTES = ConfigOption(
        "event-log.max-bytes",
        int,
        16 << 20,
        parse=parse_size,
        description="The event log of each worker has about so much at most, as 16MiB: the oldest"
        " half goes then.",
    )
