"""The settings of what has to do with a JVM: Java resources, and Flink jobs."""

from __future__ import annotations

from ..naming.public import public
from .option import ConfigOption
from .values import parse_duration

__all__ = ["FlinkOptions", "JavaOptions"]


@public
class JavaOptions:
    """The JVM that Java resources live in, where tamias starts one."""

    CLASSPATH = ConfigOption(
        "java-classpath",
        str,
        "",
        description="Jars and folders with the classes of Java resources, those of Flink Agents"
        " among them, with : in between; * stands for any name.",
    )
    OPTIONS = ConfigOption(
        "java-options",
        str,
        "",
        description="Options of the JVM, as -Xmx2g.",
    )
    CALL_TIMEOUT = ConfigOption(
        "java-call-timeout",
        float,
        600.0,
        parse=parse_duration,
        description="The longest that a call of a Java resource may take.",
    )
    HANG_TIMEOUT = ConfigOption(
        "java-hang-timeout",
        float,
        30.0,
        parse=parse_duration,
        description="A JVM that gives no sign of life for so long is replaced.",
    )


@public
class FlinkOptions:
    """An agent in a Flink job."""

    VALUES = ConfigOption(
        "flink-values",
        str,
        "python",
        choices=("python", "json"),
        description="What inputs and outputs are: Python objects as they are; or values as JSON has"
        " them, with a `JsonRow` for each mapping, pydantic model and dataclass.",
    )
