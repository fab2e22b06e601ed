"""What workers write about where they spend their time, and how others ask them for more.

All of it is files in the state directory, so it is there when the worker is not, and asking needs
nothing of the launcher, which may have troubles of its own.

*The record* of a slot: a line of JSON for each stretch of time, the newest last. There are two
files, `worker-3.jsonl` and, before it, `worker-3.jsonl.1`: when the first is full it takes the
place of the second. So they hold the last hour at least, and are bounded.

*A request* is a file `requests/ID.json`: a `Request`. Workers look for new ones once a second. The
answer of each is `answers/ID-SLOT.json`: a stretch as above, the stacks of this moment, or sizes of
memory; {"error"} if that is not possible. While it works on it, there is an empty
`answers/ID-SLOT.begun`. The program that has asked removes the files; what it leaves when it is
killed, workers remove.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from .profile import Profile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .sampler import Samples

__all__ = ["Request", "Stretch", "StretchFile", "remove_old", "requests_in", "stretches_in"]

_TIMES: Final = re.compile(rb'\{"began":([\d.]+),"seconds":([\d.]+),')
_MOST_STRETCHES: Final = 360
_MOST_BYTES: Final = 8 << 20
_LEFT_SECONDS: Final = 300.0
"""After this time, a request that nothing waits for is removed."""
KINDS: Final = ("profile", "stacks", "memory")


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a profile, or for the stacks of this moment.

    Attributes:
        id: its name.
        hz: samples a second.
        seconds: for how long.
        tasks: whether tasks that wait are looked at, too.
        slot: of which worker; None for all.
        action: only stacks of this action; empty for all.
        until: when it is not worth beginning any more, in seconds since the epoch.
        kind: "profile", "stacks" or "memory".
        keys: whether the second frame of what is in an action is the key.
        only: encoded keys in hexadecimal digits: only what is done for one of them; None for all.
        native: whether memory is shown by native frames, too.
    """

    id: str
    hz: float
    seconds: float
    tasks: bool = False
    slot: int | None = None
    action: str = ""
    until: float = 0.0
    kind: str = "profile"
    keys: bool = False
    only: list[str] | None = None
    native: bool = False

    def write(self, profiles: Path) -> None:
        """Ask the workers of a state directory. Raises OSError."""
        make_folders(profiles)
        path = profiles / "requests" / f"{self.id}.json"
        _write(path, json.dumps(asdict(self)).encode())

    def answer(self, profiles: Path, slot: int) -> Path:
        """Where a slot's worker puts its answer."""
        return profiles / "answers" / f"{self.id}-{slot}.json"

    def begun(self, profiles: Path, slot: int) -> Path:
        """The file that shows that a slot's worker works on it."""
        return self.answer(profiles, slot).with_suffix(".begun")

    def remove(self, profiles: Path) -> None:
        """Remove it with its answers."""
        paths = [profiles / "requests" / f"{self.id}.json"]
        with suppress(OSError):
            paths += (profiles / "answers").glob(f"{self.id}-*")
        for path in paths:
            with suppress(OSError):
                path.unlink()


def make_folders(profiles: Path) -> None:
    """Make the directories of requests and answers; those of the workers' user, if this is root."""
    for folder in (profiles, profiles / "requests", profiles / "answers"):
        try:
            folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            continue
        _give_away(folder)


def _give_away(path: Path) -> None:
    """Give what root has made to the owner of the folder that it is in."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid)


def remove_old(profiles: Path, now: float) -> None:
    """Remove requests and answers that nothing waits for any more."""
    for folder in ("requests", "answers"):
        with suppress(OSError):
            for path in list((profiles / folder).iterdir()):
                with suppress(OSError):
                    if path.stat().st_mtime < now - _LEFT_SECONDS and _is_over(path, now):
                        path.unlink()


def _is_over(path: Path, now: float) -> bool:
    """Whether a request has no time left; all else that is old is over."""
    if path.parent.name != "requests":
        return True
    try:
        return bool(json.loads(path.read_bytes())["until"] < now)
    except (ValueError, TypeError, KeyError):
        return True


def requests_in(profiles: Path, slot: int, now: float) -> Iterator[Request]:
    """Yield the requests that concern a slot and are not too old; what is none is passed over."""
    folder = profiles / "requests"
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 (each second, so it has to be cheap)
    except OSError:
        return
    for path in (folder / name for name in names if name.endswith(".json") and name[0] != "."):
        try:
            request = Request(**json.loads(path.read_bytes()))
            concerns = request.slot in (None, slot) and request.until > now
            is_sound = request.id == path.stem and 0 < request.hz <= 1000 and request.seconds >= 0
            is_sound = is_sound and request.kind in KINDS
        except (OSError, ValueError, TypeError):
            continue
        if concerns and is_sound:
            yield request


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where a worker has spent a stretch of time.

    Attributes:
        began: in seconds since the epoch.
        seconds: how long it is.
        slot, pid, generation: the worker.
        count: the number of samples.
        wall, cpu, waits: see `Samples`.
    """

    began: float
    seconds: float
    slot: int
    pid: int
    generation: int
    count: int
    wall: Profile
    cpu: Profile
    waits: Profile

    @classmethod
    def of(cls, samples: Samples, slot: int, generation: int) -> Stretch:
        """What was sampled until now."""
        seconds = time.time() - samples.began
        profiles = samples.wall, samples.cpu, samples.waits
        return cls(samples.began, seconds, slot, os.getpid(), generation, samples.count, *profiles)

    def encode(self) -> bytes:
        """The stretch as a line of JSON."""
        record: dict[str, Any] = {
            "began": round(self.began, 3),
            "seconds": round(self.seconds, 3),
            "slot": self.slot,
            "pid": self.pid,
            "generation": self.generation,
            "count": self.count,
        }
        for name in ("wall", "cpu", "waits"):
            record[name] = getattr(self, name).to_json()
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Stretch:
        """Inverse of `encode`; raises what `Profile.from_json` does."""
        found = json.loads(line)
        for name in ("wall", "cpu", "waits"):
            found[name] = Profile.from_json(found[name])
        return cls(**found)


class StretchFile:
    """The record of a slot."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: int | None = None
        self.failures = 0
        """How often it could not be written."""

    def append(self, stretch: Stretch) -> None:
        """Add a stretch; a failure is counted, and harms nothing."""
        try:
            self._append(stretch.encode())
        except OSError:
            self.failures += 1

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            if self._lines is None:
                with self._path.open("rb") as before:
                    self._lines = sum(1 for _ in before)
            if self._lines >= _MOST_STRETCHES or file.tell() + len(line) > _MOST_BYTES:
                self._path.replace(older(self._path))
                self._lines = 0
        with self._path.open("ab") as file:
            file.write(line)
        self._lines += 1


def older(path: Path) -> Path:
    """The file in which the stretches are that were before those of a file."""
    return path.with_name(f"{path.name}.1")


def stretches_in(
    path: Path, since: float = -math.inf, until: float = math.inf
) -> Iterator[Stretch]:
    """Yield the stretches in the record of a slot that are of a time, the oldest first.

    A line that was cut by a full disk or a death is passed over.
    """
    for file in (older(path), path):
        try:
            lines = file.open("rb")
        except OSError:
            continue
        with lines:
            for line in lines:
                if _is_of(line, since, until):
                    with suppress(ValueError, KeyError, TypeError, IndexError):
                        yield Stretch.decode(line)


def _is_of(line: bytes, since: float, until: float) -> bool:
    """Whether a line is of a time, by its beginning: the rest of a thousand lines takes seconds."""
    head = _TIMES.match(line)
    if head is None:
        return True
    began, seconds = map(float, head.groups())
    return began + seconds >= since and began <= until


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        _give_away(temporary)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def stacks_answer(report: dict[str, Any], slot: int, generation: int) -> bytes:
    """Stacks of this process (`stack_report`) as an answer."""
    worker = {"slot": slot, "pid": os.getpid(), "generation": generation, "at": time.time()}
    return json.dumps({**worker, **report}).encode()


def write_answer(request: Request, profiles: Path, slot: int, answer: bytes) -> None:
    """Write an answer to a request, if that is still there. Raises OSError."""
    if (profiles / "requests" / f"{request.id}.json").exists():
        _write(request.answer(profiles, slot), answer)
