"""Objects of our Java classes in PyFlink's JVM.

Jars that are added to a job are found by the context class loader only, which py4j does not ask: so
classes are loaded, and their constructors called, by reflection.
"""

from __future__ import annotations

from typing import Any, Final

PACKAGE: Final = "tamias.flink"


def new(name: str, *arguments: Any) -> Any:
    """An object of one of our classes, by its only constructor."""
    from pyflink.java_gateway import get_gateway  # noqa: PLC0415 (an extra)

    gateway = get_gateway()
    loader = gateway.jvm.Thread.currentThread().getContextClassLoader()
    constructor = loader.loadClass(f"{PACKAGE}.{name}").getConstructors()[0]
    array = gateway.new_array(gateway.jvm.Object, len(arguments))
    for index, argument in enumerate(arguments):
        array[index] = argument
    return constructor.newInstance(array)


def strings(values: list[str]) -> Any:
    """A Java array of texts."""
    from pyflink.java_gateway import get_gateway  # noqa: PLC0415 (an extra)

    gateway = get_gateway()
    array = gateway.new_array(gateway.jvm.String, len(values))
    for index, value in enumerate(values):
        array[index] = value
    return array
