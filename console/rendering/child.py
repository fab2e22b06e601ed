"""The process that reads stored values of classes, and shows them as JSON.

A pickle may do anything when it is read: kill its process or its parent, never end, take all
memory. So this process has little of each, can reach no other process and no network where the
kernel lets an ordinary user forbid that, and is killed when it takes too long.

On standard input come frames: a length (4 bytes) and JSON, which may say how many bytes of data are
behind it. The answer to each is a frame on standard output.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import enum
import json
import os
import resource
import signal
import struct
import time
from typing import Any, BinaryIO, Final

from ...agent.errors import TamiasError, UnserializableError
from ...agent.failures.error_text import one_line
from ...store.encoding.json_text import dumps_json
from ...store.state.directory import StateDirectory
from ...store.state.layout import StateLayout
from ..values.agent_code import AgentCode
from .trees import TreeMaker, unreadable

__all__ = ["LENGTH", "main"]

LENGTH: Final = struct.Struct(">I")
_MOST_MEMORY: Final = 2 << 30
_MOST_FILES: Final = 256
_LARGEST_TEXT: Final = 1 << 20
_NEW_PIDS, _NEW_NET, _NEW_USER = 0x20000000, 0x40000000, 0x10000000
_DEATH_SIGNAL: Final = 1
_CHECK_EVERY: Final = 0.5


def main() -> None:
    """Answer until the input ends."""
    requests, answers = _own_streams()
    _limit()
    _isolate(answers)
    code: AgentCode | str = "nothing is known of the agent"
    while (frame := _read_frame(requests)) is not None:
        data = requests.read(frame.get("length", 0))
        if "state" in frame:
            code = _code_of(frame["state"])
        shown = (
            unreadable(code) if isinstance(code, str) else _shown(code, frame.get("codec"), data)
        )
        answer = json.dumps({"tree": shown}).encode()
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


def _own_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep the streams for frames; what is printed goes nowhere."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    return requests, answers


def _limit() -> None:
    for kind, most in (
        (resource.RLIMIT_DATA, _MOST_MEMORY),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _MOST_FILES),
    ):
        _, hard = resource.getrlimit(kind)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (limit, limit))
    with contextlib.suppress(OSError):
        os.nice(10)


def _isolate(answers: BinaryIO) -> None:
    """Go on in a child that sees no other process and no network, if the kernel allows it.

    Its parent waits. Whichever of the two is killed, the other one ends; so do both when the
    dashboard does.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    apart = _NEW_PIDS | _NEW_NET
    user, group = os.getuid(), os.getgid()
    if libc.unshare(apart) != 0:
        if libc.unshare(apart | _NEW_USER) != 0:
            apart = 0
        else:
            _keep_identity(user, group)
    above = os.getppid()
    child = os.fork()
    if child:
        answers.close()
        while os.waitpid(child, os.WNOHANG) == (0, 0) and os.getppid() == above:
            time.sleep(_CHECK_EVERY)
        os.kill(0, signal.SIGKILL)
    _end_with_parent()


def _become_owner(state: str) -> None:
    """As root, be the user whose job it is: what he has stored must not be executed as root."""
    found = StateLayout(state).manifest.stat()
    if os.getuid() == 0 and found.st_uid != 0:
        os.setgroups([])
        os.setgid(found.st_gid)
        os.setuid(found.st_uid)
        _end_with_parent()  # the kernel forgets that when a process becomes another user's


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)


def _keep_identity(user: int, group: int) -> None:
    """Be the same user in the new user namespace, so that programs find their home."""
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with contextlib.suppress(OSError), open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123
            file.write(text)


def _read_frame(requests: BinaryIO) -> dict[str, Any] | None:
    head = requests.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    frame: dict[str, Any] = json.loads(requests.read(*LENGTH.unpack(head)))
    return frame


def _code_of(state: str) -> AgentCode | str:
    """The agent's code, or why it cannot be had."""
    try:
        _become_owner(state)
        with StateDirectory.view(state) as view:
            return AgentCode(view.manifest)
    except (TamiasError, OSError) as error:
        return f"the process that reads values cannot open the state directory: {error}"


def _shown(code: AgentCode, codec: str | None, data: bytes) -> Any:
    try:
        value = code.value(codec, data)
        return TreeMaker(_simpler).tree(value)
    except UnserializableError as error:
        return unreadable(one_line(error.__cause__ or error))
    except MemoryError:
        return unreadable("it needs too much memory")
    except RecursionError:
        return unreadable("it is nested too deeply")
    except BaseException as error:  # noqa: BLE001 (the user's code may raise anything)
        return unreadable(f"{type(error).__name__}: {error}"[:500])


def _simpler(value: Any) -> Any:
    """A value of a class as one of Python's plain types; NotImplemented if it has no such form."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (str, int, float, dict, list, tuple)) and not dataclasses.is_dataclass(
        value
    ):
        return _of_base(value)
    if getattr(value, "nbytes", 0) > _LARGEST_TEXT:
        return NotImplemented  # a large array has a short `repr`
    try:
        text = dumps_json(value)
    except Exception:  # noqa: BLE001 (it has no JSON form)
        return NotImplemented
    return json.loads(text) if len(text) <= _LARGEST_TEXT else NotImplemented


def _of_base(value: Any) -> Any:
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    return dict(value) if isinstance(value, dict) else list(value)


if __name__ == "__main__":
    main()
