"""The settings of the JVM that Java resources live in, where tamias starts one."""

from __future__ import annotations

from ..naming.public import public
from .option import ConfigOption
from .values import parse_duration

__all__ = ["JavaOptions"]


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
