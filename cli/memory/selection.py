"""Which memory sets a command means: by name, and by the key that has them, or shared by all."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...agent.errors import InputError, UsageError
from ...console.values.json_text import given_keys, key_name, plain
from ...store.encoding.keys import decode_key
from ...store.memory.opened_set import SetPlace, all_sets, opened_set
from ...store.state.stored_keys import has_groups
from ..text import typed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...store.memory.opened_set import OpenedSet
    from ...store.state.reader import StoreReader

Key = Annotated[
    str | None,
    typer.Option("--key", metavar="KEY", help="The key that has it: text, or JSON."),
]
Shared = Annotated[bool, typer.Option("--shared", help="The set that all keys share.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="NAME=VALUE",
        help="Only items with this in their metadata: JSON, or else a text. Repeatable.",
    ),
]
_NAMED: Final = 3
"""Keys that are named in a hint."""


def stored_keys(reader: StoreReader, text: str) -> list[bytes]:
    """The keys that a text may mean, encoded as the store has them (`StoreReader.encoded`).

    That is itself, and the value that is written so in JSON.
    """
    encoded = []
    for candidate in given_keys(text):
        try:
            encoded.append(reader.encoded(candidate))
        except InputError:  # NaN, for example, is no key
            continue
    return encoded


def is_of_task(reader: StoreReader) -> bool:
    """Whether a state directory is that of a task of a Flink job."""
    manifest = reader.view.manifest
    if manifest.job.get("flink"):
        return True
    for number in range(manifest.shards):
        with reader.shard(number) as snapshot:
            if snapshot is not None and has_groups(snapshot):
                return True
    return False


def shown_place(place: SetPlace) -> str:
    """A set as messages name it."""
    if place.key is None:
        return f"the shared set {place.name!r}"
    return f"the set {place.name!r} of {key_name(plain(decode_key(place.key)))}"


def filters_of(where: list[str] | None) -> dict[str, Any]:
    """What `--where` says. Raises UsageError for what has no name and value."""
    filters: dict[str, Any] = {}
    for text in where or ():
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f"{text!r} is no NAME=VALUE.", hint="As in --where kind=place.")
        try:
            filters[name] = json.loads(value)
        except (ValueError, RecursionError):
            filters[name] = value
    return filters


def check_owner(key: str | None, *, shared: bool) -> None:
    """Raise UsageError for a set that is both a key's and shared."""
    if key is not None and shared:
        raise UsageError(
            "A shared set belongs to no key.", hint="Give --key KEY or --shared, not both."
        )


def find_set(reader: StoreReader, name: str, key: str | None, *, shared: bool) -> SetPlace:
    """The set of that name. Without a key, it is the shared one, if there is one.

    Raises:
        UsageError: there is no such set, or it is not said whose.
    """
    check_owner(key, shared=shared)
    if key is not None:
        found = [SetPlace(name, encoded) for encoded in stored_keys(reader, key)]
        there = [place for place in found if _is_there(reader, place)]
        if len(there) > 1:
            raise UsageError(
                f"A text and another value are both keys that are written {key}.",
                hint=f"--key '{key_name(key)}' is the text.",
            )
        if there:
            return there[0]
        raise UsageError(f"The key {key} has no memory set {name!r}.", hint=_known(reader, key))
    place = SetPlace(name, None)
    if _is_there(reader, place):
        return place
    if shared:
        raise UsageError(f"There is no shared memory set {name!r}.", hint=_known(reader, None))
    raise _without_owner(reader, name)


def chosen_sets(
    reader: StoreReader, *, name: str | None, key: str | None, shared: bool
) -> Iterator[tuple[SetPlace, OpenedSet]]:
    """Yield the sets that are meant, for as long as the generator is not closed; shared ones first.

    Without name, key and `shared` these are all.
    """
    check_owner(key, shared=shared)
    with all_sets(reader) as sets:
        if key is None:
            yield from (found for found in sets.shared() if name in (None, found[0].name))
        if not shared:
            owners: list[bytes | None] = [None]
            if key is not None:
                owners = [*stored_keys(reader, key)]
            for owner in owners:
                yield from (found for found in sets.of_keys(owner) if name in (None, found[0].name))


def _is_there(reader: StoreReader, place: SetPlace) -> bool:
    with opened_set(reader, place) as opened:
        return opened.is_there


def _known(reader: StoreReader, key: str | None) -> str:
    found = chosen_sets(reader, name=None, key=key, shared=key is None)
    names = [repr(place.name) for place, _ in found]
    if names:
        return f"There are {', '.join(names)}."
    return f"tamias memory list {typed(reader.view.path)} shows the sets that there are."


def _without_owner(reader: StoreReader, name: str) -> UsageError:
    sets = chosen_sets(reader, name=name, key=None, shared=False)
    keys: list[Any] = [
        plain(decode_key(place.key)) for place, _ in islice(sets, _NAMED + 1) if place.key
    ]
    if not keys:
        return UsageError(
            f"There is no memory set {name!r}.",
            hint=f"tamias memory list {typed(reader.view.path)} shows the sets that there are.",
        )
    some = ", ".join(map(key_name, keys[:_NAMED])) + (" ..." if len(keys) > _NAMED else "")
    return UsageError(
        f"The memory set {name!r} is not shared: whose is meant?",
        hint=f"Give --key KEY. Keys that have one: {some}.",
    )
