"""`ConfigOption`: the name, type, default and limits of one setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from ..errors import ConfigError
from ..naming.public import public
from .values import converter

__all__ = ["ConfigOption"]

T = TypeVar("T")


@public
class ConfigOption(Generic[T]):
    """A setting: ``ConfigOption("max-pages", int, 3)``.

    ``config_type`` is ``bool``, ``int``, ``float``, ``str``, an ``Enum`` (given by value or name)
    or any other class, whose instances are then taken as they are. ``choices`` and ``minimum``
    limit the values; ``parse`` replaces the conversion, for sizes and durations. A ``live`` option
    of tamias can change in a running pool; a ``fixed`` one only from one life of a job to the next,
    if at all; all others take a new generation of workers.
    """

    __slots__ = (
        "_default",
        "_key",
        "_parse",
        "_type",
        "choices",
        "description",
        "fixed",
        "live",
        "minimum",
    )

    def __init__(
        self,
        key: str,
        config_type: type[Any],
        default: T = None,  # type: ignore[assignment]
        *,
        description: str = "",
        choices: Sequence[T] = (),
        minimum: float | None = None,
        parse: Callable[[object], Any] | None = None,
        live: bool = False,
        fixed: bool = False,
    ) -> None:
        self._key = key
        self._type = config_type
        self._default = default
        self._parse = parse
        self.description = description
        self.choices = tuple(choices)
        self.minimum = minimum
        self.live = live
        self.fixed = fixed

    @property
    def key(self) -> str:
        """The name of the setting in files and on the command line."""
        return self._key

    @property
    def default(self) -> T:
        """What holds when nothing is set."""
        return self._default

    def get_key(self) -> str:
        """As `key`."""
        return self._key

    def get_type(self) -> type[Any]:
        """The type of the value."""
        return self._type

    def get_default_value(self) -> T:
        """As `default`."""
        return self._default

    def convert(self, value: object) -> T:
        """``value`` in the type of the option.

        Raises `ConfigError`, with the key, the value and what was wanted, for any other.
        """
        try:
            converted: T = (self._parse or converter(self._type))(value)
        except ValueError as error:
            raise bad_value(self._key, value, str(error)) from None
        if self.choices and converted not in self.choices:
            raise bad_value(self._key, value, "one of " + ", ".join(map(str, self.choices)))
        if self.minimum is not None and converted < self.minimum:  # type: ignore[operator]
            raise bad_value(self._key, value, f"at least {self.minimum}")
        return converted

    def __repr__(self) -> str:
        return f"ConfigOption({self._key!r}, {self._type.__name__}, {self._default!r})"


def bad_value(key: str, value: object, wanted: str) -> ConfigError:
    """The error for a value that cannot be converted."""
    return ConfigError(f"The setting {key!r} is {value!r}, wanted: {wanted}.")
