"""Flink and Java: agents inside a Flink job, and resources shared between the two languages.

`jvm/` finds a Java runtime and compiles this room's own Java sources, for which no JDK is needed.
"""
