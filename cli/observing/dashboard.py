"""`tamias dashboard`: serves a page that shows jobs, at rest or running."""

from __future__ import annotations

import os
import stat
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...agent.errors import MissingExtraError, UsageError, reason_of
from ...store.state.directory import StateDirectory
from ..text import count, error_console, shown, write_line

if TYPE_CHECKING:
    import socket

    from ...console.dashboard.security import Access

_PORT: Final = 8777
_SHORTEST: Final = 20
"""Characters of a token that cannot be guessed."""


def dashboard(
    states: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[STATE_DIR...]", readable=False, show_default=False),
    ] = None,
    *,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, max=65535, show_default=f"{_PORT}, or a free one", help="The port."
        ),
    ] = None,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The address; another one needs --expose.")
    ] = "127.0.0.1",
    expose: Annotated[
        bool, typer.Option("--expose", help="Let other machines reach it; see docs/dashboard.md.")
    ] = False,
    allow_actions: Annotated[
        bool, typer.Option("--allow-actions", help="Let the page change running jobs.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:PORT]", help="A further name that browsers reach it by (a proxy's)."
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Take the token from a file that only you can read."),
    ] = None,
) -> int:
    """Serve a page about jobs: those of the state directories, or those below this folder."""
    _require_extra()
    from ...console.dashboard.app import make_app  # noqa: PLC0415 (an extra, and heavy)
    from ...console.dashboard.jobs import ShownJobs  # noqa: PLC0415
    from ...console.dashboard.security import Access, is_loopback  # noqa: PLC0415
    from ...console.dashboard.server import serve  # noqa: PLC0415

    for path in states or []:
        StateDirectory.view(path).close()
    if not is_loopback(listen) and not expose:
        raise UsageError(
            f"At {listen} other machines can reach the page, and read what goes by: it is not "
            "encrypted.",
            hint="Add --expose if that is right; or leave --listen out, and use ssh -L or a proxy "
            "with TLS.",
        )
    secret = {} if token_file is None else {"token": _token_in(token_file)}
    jobs = ShownJobs(states or [], None if states else Path.cwd())
    listener = _listener(listen, port)
    number = listener.getsockname()[1]
    names = tuple(allow_host or ()) + ((_host(listen, number),) if not _is_any(listen) else ())
    access = Access(number, names, allow_actions=allow_actions, **secret)
    _report(
        access,
        listen,
        len(jobs.all()),
        given=token_file is not None,
        is_local=is_loopback(listen),
    )
    serve(make_app(jobs, access), listener)
    return 0


def _require_extra() -> None:
    for module in ("starlette", "uvicorn"):
        if find_spec(module) is None:
            raise MissingExtraError(
                f"The dashboard needs {module}, which is not installed.",
                hint="Install it with: pip install 'tamias[dashboard]'",
            )


def _listener(address: str, port: int | None) -> socket.socket:
    """Listen at the port, or at the usual one, or, if that is taken, at another."""
    from ...console.dashboard.server import listen  # noqa: PLC0415 (an extra, and heavy)

    if port is not None:
        return listen(address, port)
    try:
        return listen(address, _PORT)
    except UsageError:
        return listen(address, 0)


def _report(access: Access, address: str, jobs: int, *, given: bool, is_local: bool) -> None:
    """Print the page's address, with the token; that is the only time."""
    token = "TOKEN" if given else access.token
    name = "localhost" if _is_any(address) else address
    write_line(f"http://{_host(name, access.port)}/?token={token}")
    actions = "it can change them" if access.allow_actions else "it only shows"
    console = error_console()
    console.print(
        f"A page about {count(jobs, 'job')} is at this address; {actions}. Ctrl-C ends it.",
        style="dim",
        markup=False,
    )
    if not jobs:
        console.print(
            "There is no state directory in this folder yet; new ones are shown.",
            style="dim",
            markup=False,
        )
    if not is_local:
        console.print(
            "Other machines can reach it, and nothing is encrypted. They have to use a name that "
            "--allow-host gives.",
            style="bold yellow",
            markup=False,
        )
    if given:
        console.print("TOKEN is what the file has.", style="dim", markup=False)


def _host(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _is_any(address: str) -> bool:
    return address in ("0.0.0.0", "::")  # noqa: S104 (a comparison)


def _token_in(path: Path) -> str:
    """The token in a file. Raises UsageError if others may know it."""
    try:
        found = path.stat()
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The token in {shown(path)} cannot be read: {reason_of(error)}."
        ) from error
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO) or found.st_uid not in (os.getuid(), 0):
        raise UsageError(
            f"Others may read {shown(path)}.", hint=f"It has to be yours alone: chmod 600 {path}"
        )
    if len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(
            f"{shown(path)} has no token: {_SHORTEST} printable characters at least.",
            hint="Make one with: openssl rand -hex 32",
        )
    return token
