"""Profiles: how many seconds were spent in each stack.

A stack is a tuple of frames, the outermost first. A frame is a function, not a line of it, so that
a long profile stays small: its name, its file, and the line where it begins.

As JSON, a profile has a list of frames, and for each stack the numbers of its frames and the
seconds:

    {"frames": [["work", "agent.py", 12], ...], "stacks": [[[0, 3, 5], 1.25], ...]}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Frame", "Profile", "Stack"]

DROPPED: Final = "(other stacks)"


class Frame(NamedTuple):
    """A function; `file` is empty for what is none."""

    name: str
    file: str = ""
    line: int = 0


Stack = tuple[Frame, ...]


class Profile:
    """Seconds by stack.

    Args:
        most: how many stacks are kept apart; the time of further ones goes to one of their own.
    """

    __slots__ = ("_most", "seconds")

    def __init__(self, seconds: Mapping[Stack, float] | None = None, most: int = 20_000) -> None:
        self.seconds: dict[Stack, float] = dict(seconds or {})
        self._most = most

    def add(self, stack: Stack, seconds: float) -> None:
        """Add time to a stack."""
        known = self.seconds.get(stack)
        if known is not None:
            self.seconds[stack] = known + seconds
        elif len(self.seconds) < self._most:
            self.seconds[stack] = seconds
        else:
            rest = (Frame(DROPPED),)
            self.seconds[rest] = self.seconds.get(rest, 0.0) + seconds

    def merge(self, other: Profile) -> None:
        """Add another profile."""
        for stack, seconds in other.seconds.items():
            self.add(stack, seconds)

    @property
    def total(self) -> float:
        """All seconds."""
        return sum(self.seconds.values())

    def __bool__(self) -> bool:
        return bool(self.seconds)

    def inclusive(self) -> dict[Frame, float]:
        """The seconds in each frame and in what it has called."""
        found: dict[Frame, float] = {}
        for stack, seconds in self.seconds.items():
            for frame in set(stack):
                found[frame] = found.get(frame, 0.0) + seconds
        return found

    def own(self) -> dict[Frame, float]:
        """The seconds in each frame itself."""
        found: dict[Frame, float] = {}
        for stack, seconds in self.seconds.items():
            if stack:
                found[stack[-1]] = found.get(stack[-1], 0.0) + seconds
        return found

    def without(self, outermost: str) -> Profile:
        """The profile without the stacks whose outermost frame has a name."""
        kept = {
            stack: seconds
            for stack, seconds in self.seconds.items()
            if not stack or stack[0].name != outermost
        }
        return Profile(kept, self._most)

    def minus(self, before: Profile) -> Iterator[tuple[Stack, float, float]]:
        """Yield each stack of either profile with its share (0 to 1) before and now."""
        now, old = self.total or 1.0, before.total or 1.0
        for stack in {**before.seconds, **self.seconds}:
            yield (
                stack,
                before.seconds.get(stack, 0.0) / old,
                self.seconds.get(stack, 0.0) / now,
            )

    def to_json(self) -> dict[str, Any]:
        """The profile as JSON; see the module's text."""
        frames: dict[Frame, int] = {}
        stacks = [
            [[frames.setdefault(frame, len(frames)) for frame in stack], round(seconds, 6)]
            for stack, seconds in self.seconds.items()
        ]
        return {"frames": [list(frame) for frame in frames], "stacks": stacks}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Profile:
        """Inverse of `to_json`.

        Raises:
            ValueError, KeyError, TypeError, IndexError: it is none.
        """
        frames = [Frame(str(name), str(file), int(line)) for name, file, line in data["frames"]]
        profile = cls()
        for numbers, seconds in data["stacks"]:
            profile.add(tuple(frames[number] for number in numbers), float(seconds))
        return profile
