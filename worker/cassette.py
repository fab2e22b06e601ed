"""The cassette: a file with calls of models and their answers, one JSON object in a line.

It is for tests of agents: recorded once with a service, they run without one afterwards. A call is
recognised by what is asked: messages, tools, arguments; the name of the connection does not count,
and neither do ids of tool calls, since those follow from the input's place. Where the same was
asked more than once, the answers are given in their order, and the last one again and again.

Several workers may record in one file: each line is appended by one write. They read it when they
start.
"""

from __future__ import annotations

import json
import os
from difflib import SequenceMatcher
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from ..agent.config.agent_options import ModelOptions
from ..agent.errors import ConfigError
from ..agent.resources.recording import MissingRecordingError

if TYPE_CHECKING:
    from ..agent.config.configuration import Configuration

_DIGEST_BYTES: Final = 16
_COMPARED: Final = 100
"""So many recorded calls are looked at for the nearest one."""
_LONGEST: Final = 4000
"""Characters of a call that are compared."""
_SHOWN: Final = 160


class Cassette:
    """Records calls of models in a file, or answers them from it."""

    def __init__(self, path: Path, *, replays: bool) -> None:
        """Open the file.

        Raises:
            ConfigError: it cannot be read, or not be written.
        """
        self.replays = replays
        self._path = path
        self._lock = Lock()
        self._file = -1
        self._answers: dict[str, list[Any]] = {}
        self._asked: list[dict[str, Any]] = []
        self._used: dict[str, int] = {}
        try:
            if replays:
                self._read(path.read_bytes())
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                self._file = os.open(path, flags, 0o666)
        except OSError as error:
            what = "read" if replays else "written"
            raise ConfigError(
                f"The cassette {path} cannot be {what}: {error.strerror}.",
                hint="Record it first, with --set model-calls=record." if replays else "",
            ) from None

    @classmethod
    def of(cls, config: Configuration) -> Cassette | None:
        """The cassette that the settings name; None if calls are made and not recorded.

        Raises:
            ConfigError: it cannot be used.
        """
        mode, path = config.get(ModelOptions.MODEL_CALLS), config.get(ModelOptions.CASSETTE)
        if mode == "off":
            return None
        if not path:
            raise ConfigError(
                f"model-calls is {mode!r}, and there is no cassette.",
                hint="Name its file: --set cassette=calls.jsonl.",
            )
        return cls(Path(path).absolute(), replays=mode == "replay")

    def _read(self, data: bytes) -> None:
        for number, line in enumerate(data.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                self._answers.setdefault(_digest(record["asked"]), []).append(record["answer"])
            except (ValueError, KeyError, TypeError):
                raise ConfigError(
                    f"The cassette {self._path} has no recorded call in line {number}.",
                    hint="Remove the line, or record the cassette anew.",
                ) from None
            self._asked.append(record["asked"])

    def find(self, asked: dict[str, Any]) -> Any:
        """The recorded answer.

        Raises:
            MissingRecordingError: there is none.
        """
        key = _digest(asked)
        with self._lock:
            answers = self._answers.get(key)
            if answers is None:
                raise self._missing(asked)
            used = self._used.get(key, 0)
            self._used[key] = used + 1
        return answers[min(used, len(answers) - 1)]

    def add(self, asked: dict[str, Any], answer: Any) -> None:
        """Append a call."""
        record = {"asked": asked, "answer": answer}
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
        with self._lock:
            data = line.encode("utf-8", "surrogatepass")
            while data:
                data = data[os.write(self._file, data) :]

    def _missing(self, asked: dict[str, Any]) -> MissingRecordingError:
        wanted = _text(asked)[-_LONGEST:]
        nearest, best = None, 0.0
        for recorded in self._asked[:_COMPARED]:
            if recorded.get("call") == asked.get("call"):
                matcher = SequenceMatcher(None, wanted, _text(recorded)[-_LONGEST:], autojunk=False)
                likeness = matcher.quick_ratio()
                if nearest is None or likeness > best:
                    nearest, best = recorded, likeness
        message = f"The cassette {self._path.name} has no answer to this call: {_shown(asked)}."
        if nearest is None:
            message += f" It has no call of that kind ({len(self._asked)} in all)."
        else:
            message += f" The nearest recorded one differs in {_difference(nearest, asked)}."
        return MissingRecordingError(
            message, hint="Record the cassette anew if the agent was changed on purpose."
        )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1


def _text(asked: Any) -> str:
    return json.dumps(asked, ensure_ascii=False, sort_keys=True)


def _digest(asked: Any) -> str:
    data = _text(asked).encode("utf-8", "surrogatepass")
    return blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()


def _shown(asked: dict[str, Any]) -> str:
    """The end of what is asked, which is what a reader knows it by."""
    messages = asked.get("messages")
    last = messages[-1] if messages else asked.get("text", asked.get("args"))
    text = f"{asked.get('call')} {_text(last)}"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + " ..."


def _difference(recorded: Any, asked: Any, path: str = "") -> str:
    """The first place where two calls differ."""
    if isinstance(recorded, dict) and isinstance(asked, dict):
        for name in [*asked, *(each for each in recorded if each not in asked)]:
            if recorded.get(name) != asked.get(name):
                place = f"{path}.{name}" if path else str(name)
                return _difference(recorded.get(name), asked.get(name), place)
    if isinstance(recorded, list) and isinstance(asked, list):
        for number, (one, other) in enumerate(zip(recorded, asked, strict=False)):
            if one != other:
                return _difference(one, other, f"{path}[{number}]")
        return f"{path}, which has {len(recorded)} entries there and {len(asked)} here"
    return f"{path}: {_text(recorded)[:_SHOWN]} there, {_text(asked)[:_SHOWN]} here"
