"""Keys of a service over TCP: its own, and those of its clients.

Both sides authenticate with CURVE keys (ZeroMQ's, Curve25519), and all frames are encrypted. The
server's directory:

    server.json        its pair of keys (mode 0600)
    clients/NAME.json  the public key of a client that may connect

A client's file holds its own pair and the server's public key: all that it needs. It is written
once, to be copied to where the client runs. Every program that has the file can act as that client.

The server reads the directory again whenever it has changed, so `tamias keys add` and `revoke` take
effect at once, also on open connections.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import zmq

from ...agent.errors import UsageError, reason_of

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PUBLIC: Final = re.compile(r"[!-~]{40}")


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """The keys that a client needs: its pair, and the public key of the server."""

    name: str
    public: bytes
    secret: bytes
    server: bytes


def new_server(folder: Path) -> str:
    """Make a server's directory; return its public key.

    Raises:
        UsageError: there is one already, or it cannot be written.
    """
    public, secret = zmq.curve_keypair()
    try:
        (folder / "clients").mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
    except OSError as error:
        raise _unusable(folder, error) from error
    _write(folder / "server.json", {"public": public.decode(), "secret": secret.decode()})
    return public.decode()


def add_client(folder: Path, name: str, public: str | None, target: Path | None) -> Path | None:
    """Permit a client.

    Args:
        folder: the server's directory.
        name: the client's name.
        public: its public key, if it has a pair already.
        target: where to write the client's file otherwise; None: `NAME.key` beside the directory.

    Returns:
        The client's file, to be copied to it; None if it has its keys already.

    Raises:
        UsageError: the name is taken or malformed, or a file cannot be written.
    """
    server = _read(folder / "server.json", "tamias keys new")
    path = _client_file(folder, name)
    if path.exists():
        raise UsageError(
            f"There is a client {name} already.", hint="Revoke it first, or choose another name."
        )
    if public is not None:
        if not _is_key(public):
            raise UsageError(
                "That is not a public key.", hint="It is 40 characters, in ZeroMQ's Z85 encoding."
            )
        _write(path, {"public": public})
        return None
    mine, secret = zmq.curve_keypair()
    file = target if target is not None else folder.absolute().parent / f"{name}.key"
    _write(
        file,
        {
            "name": name,
            "public": mine.decode(),
            "secret": secret.decode(),
            "server": server["public"],
        },
    )
    _write(path, {"public": mine.decode()})
    return file


def list_clients(folder: Path) -> dict[str, str]:
    """Return the public keys of the permitted clients, by name.

    Raises:
        UsageError: this is not a server's directory.
    """
    _read(folder / "server.json", "tamias keys new")
    return {name: key for key, name in _clients(folder).items()}


def revoke_client(folder: Path, name: str) -> None:
    """Permit a client no longer.

    Raises:
        UsageError: there is no such client.
    """
    _read(folder / "server.json", "tamias keys new")
    try:
        _client_file(folder, name).unlink()
    except FileNotFoundError:
        raise UsageError(
            f"There is no client {name}.", hint="tamias keys list shows those there are."
        ) from None


def client_keys(file: Path) -> ClientKeys:
    """Read a client's file.

    Raises:
        UsageError: there is no such file, or it is not a key file.
    """
    content = _read(file, "tamias keys add")
    try:
        return ClientKeys(
            content["name"],
            content["public"].encode(),
            content["secret"].encode(),
            content["server"].encode(),
        )
    except (KeyError, AttributeError):
        raise UsageError(
            f"{file} is not a client's key file.", hint="tamias keys add makes one."
        ) from None


class ServerKeys:
    """A server's directory, as its frontend reads it.

    Attributes:
        public, secret: the server's own pair.
    """

    def __init__(self, folder: Path) -> None:
        """Raises UsageError: it is not a server's directory."""
        pair = _read(folder / "server.json", "tamias keys new")
        if not (_is_key(pair.get("public")) and _is_key(pair.get("secret"))):
            raise UsageError(
                f"{folder / 'server.json'} is damaged.", hint="Make new keys: tamias keys new."
            )
        self.public: bytes = pair["public"].encode()
        self.secret: bytes = pair["secret"].encode()
        self._folder = folder
        self._changed: int | None = None
        self._names: dict[str, str] = {}

    def names(self) -> dict[str, str]:
        """Return the clients that are permitted now: names by public key."""
        try:
            changed: int | None = (self._folder / "clients").stat().st_mtime_ns
        except OSError:
            changed = None
        if changed is None:
            self._names = {}
        elif changed != self._changed:
            self._names = _clients(self._folder)
        self._changed = changed
        return self._names


def _clients(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted((folder / "clients").glob("*.json")):
        with suppress(UsageError):
            public = _read(path, "").get("public")
            if _is_key(public):
                found[str(public)] = path.stem
    return found


def _client_file(folder: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a client's name.",
            hint="Use letters, digits, dots, hyphens and underscores.",
        )
    return folder / "clients" / f"{name}.json"


def _is_key(text: object) -> bool:
    return isinstance(text, str) and _PUBLIC.fullmatch(text) is not None


def _read(path: Path, maker: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}.", hint=f"{maker} makes one.") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {reason_of(error)}.") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path} is not what it should be: a JSON object.")
    return content


def _write(path: Path, content: dict[str, str]) -> None:
    """Make a new file that only this user can read."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(
            f"There is a file {path} already.", hint="Keys are never overwritten: move it away."
        ) from None
    except OSError as error:
        raise _unusable(path, error) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")


def _unusable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path} cannot be written: {error.strerror or error}.")
