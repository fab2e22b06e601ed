"""Removes the runs of a key from the event log of a state directory that no pool uses."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Final

import orjson

from ...agent.errors import StoreError
from ...store.faults import system_error
from ...store.files import rewrite_lines
from .rendering import json_text, key_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["count_traces", "remove_traces"]

_PATTERN: Final = "events-*.log"


def count_traces(folder: Path, key: bytes) -> int:
    """How many runs of an encoded key, or parts of them, the event log has."""
    return sum(_filtered(path, key, remove=False) for path in _files(folder))


def remove_traces(folder: Path, key: bytes) -> int:
    """Remove the runs of an encoded key, and return how many they were.

    No process may write to the files.

    Raises:
        StoreError: a file cannot be written, and is as it was; or is another user's.
    """
    return sum(_filtered(path, key, remove=True) for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    """The files of the log; those that are elsewhere are linked, or not yet there.

    Whoever may write to the state directory may make a link to any file. So a link counts only if
    the file belongs to the one who has made it.
    """
    for path in folder.glob(_PATTERN):
        if not path.exists():
            continue
        if path.lstat().st_uid != path.stat().st_uid:
            raise StoreError(
                f"{path} is a link to a file of another user: {path.resolve()}.",
                hint="No event log is written there. Remove the link.",
            )
        yield path.resolve()


def _filtered(path: Path, key: bytes, *, remove: bool) -> int:
    try:
        with path.open("rb") as lines:
            found = sum(begins for begins, _, is_of_key in _marked(lines, key) if is_of_key)
    except OSError as error:
        raise system_error(error, path) from error
    if remove and found:
        rewrite_lines(path, lambda lines: _of_others(lines, key))
    return found


def _of_others(lines: Iterable[bytes], key: bytes) -> Iterator[bytes]:
    return (line for _, line, is_of_key in _marked(lines, key) if not is_of_key)


def _marked(lines: Iterable[bytes], key: bytes) -> Iterator[tuple[bool, bytes, bool]]:
    """Each line: whether it is the first of a run, itself, and whether it is of the key.

    A run's first record has the encoded key. What follows it is of the same run. A line that was
    cut, and records in front of any run, in a file that was cut by other means, have the key as
    text only.
    """
    encoded, text = b64encode(key).decode(), key_text(key)
    mark = b'"businessKey":%b,' % json_text(text)
    is_of_key = None
    for line in lines:
        begins = False
        try:
            record = orjson.loads(line)
            own = (record.get("entityMetadata") or {}).get("encodedKey")
            begins = own is not None and record.get("status") == "started"
            if begins:
                is_of_key = own == encoded
            elif is_of_key is None and record.get("businessKey") == text:
                yield True, line, True
                continue
        except (ValueError, AttributeError):
            if mark in line:
                yield True, line, True
                continue
        yield begins, line, bool(is_of_key)
