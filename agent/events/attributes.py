"""`EventAttributes`: all that an event carries as a dict, however the event was made.

An event keeps its data in declared fields, in extra fields, or in a dict of attributes. The three
are one namespace to readers. An event that has a dict of attributes and nothing else shows that
dict itself; of all others a dict is made at each request, and changes of it are made to the event,
too.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ATTRIBUTES", "NO_ATTRIBUTES", "EventAttributes"]

ATTRIBUTES: Final = "attributes"
"""The name of the extra field that has an event's own dict of attributes."""
NO_ATTRIBUTES: Final = frozenset({"type", "id", ATTRIBUTES})
"""Names of fields that are no attributes."""


class _Carrier(Protocol):
    """What has attributes: an event."""

    def set_attr(self, name: str, value: Any) -> None:
        """Set an attribute."""

    def remove_attr(self, name: str) -> None:
        """Remove an attribute."""


class EventAttributes(dict[str, Any]):
    """The attributes of an event; what is changed here is changed in the event."""

    __slots__ = ("_event",)

    def __init__(self, event: _Carrier, values: dict[str, Any]) -> None:
        super().__init__(values)
        self._event = event

    def __setitem__(self, name: str, value: Any) -> None:
        self._event.set_attr(name, value)
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._event.remove_attr(name)
        super().__delitem__(name)

    # The methods of `dict` would change the dict alone.
    pop: Callable[..., Any] = MutableMapping.pop
    popitem: Callable[..., Any] = MutableMapping.popitem
    clear: Callable[..., Any] = MutableMapping.clear
    update: Callable[..., Any] = MutableMapping.update
    setdefault: Callable[..., Any] = MutableMapping.setdefault

    def __ior__(self, other: Any) -> Self:  # type: ignore[override,misc]
        self.update(other)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied as a plain dict."""
        return dict, (dict(self),)
