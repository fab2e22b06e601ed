"""Decides which requests the dashboard answers.

The page shows what agents know of people, and can change a running job. So a request is answered
only if all of this holds:

- *It is for us.* The Host header names an address of this server. A page of another site that has
  its own name resolve to this machine (DNS rebinding) sends that name.
- *It comes from our page.* Origin, if there is one, is that of this server, and browsers say so
  (Sec-Fetch-Site). Cookies do not tell the ports of a machine apart, so another server on the same
  machine would have them.
- *It knows the secret.* The token is in the address that is printed at the start. The page that it
  opens gets a cookie, which scripts cannot read and other sites do not send.
- *Changes are meant.* They need a second secret (`X-CSRF-Token`), which only a script of our page
  can have read, a body that is JSON, and a server that allows changes at all.

Nothing is compared in a way whose time depends on how much of it is right.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, Response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Access", "Guard", "is_loopback"]

LONGEST_BODY: Final = 1 << 20
_LOCAL: Final = ("localhost", "127.0.0.1", "[::1]")
_READING: Final = frozenset({"GET", "HEAD"})
_OURS: Final = frozenset({"", "same-origin", "none"})
"""What browsers say of requests that our page makes, and of addresses that a user has typed."""

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_CLOSED: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>tamias</title>
<h1>This page needs its token</h1>
<p>Open the address that <code>tamias dashboard</code> has printed when it was started.</p>
</html>
"""

_OPENED: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/">
<title>tamias</title><p><a href="/">Go on</a></p>
</html>
"""
"""Leads to the page. A redirect would not do: after a link in another site's page, a browser sends
no strict cookie with it."""


@dataclass(frozen=True, slots=True)
class Access:
    """The secrets of one server, and who may do what.

    Attributes:
        port: at which it listens.
        hosts: further names under which it is reached, with a port unless it is the usual one.
        allow_actions: whether anything can be changed.
        token: opens the page.
        session: the cookie's value.
        csrf: what a change needs.
    """

    port: int
    hosts: tuple[str, ...] = ()
    allow_actions: bool = False
    token: str = field(default_factory=lambda: token_urlsafe(32))
    session: str = field(default_factory=lambda: token_urlsafe(32))
    csrf: str = field(default_factory=lambda: token_urlsafe(32))

    @property
    def cookie(self) -> str:
        """The name of the cookie; browsers send a server those of other ports, too."""
        return f"tamias-{self.port}"

    def names(self) -> frozenset[str]:
        """What a Host header may be."""
        local = {f"{name}:{self.port}" for name in _LOCAL}
        usual = set(_LOCAL) if self.port == 80 else set()
        return frozenset({*local, *usual, *(host.lower() for host in self.hosts)})


class Guard:
    """Passes requests on that may be answered, and adds headers to all answers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._names = access.names()
        self._origins = frozenset(
            f"{scheme}://{name}" for name in self._names for scheme in ("http", "https")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks WebSocket
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        sending = _with_headers(send)
        if refusal is not None:
            await refusal(scope, receive, sending)
        else:
            await self._app(scope, receive, sending)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """What to answer instead; None if the request may be answered."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._names:
            return _refused(
                421,
                "This server has another name.",
                "Open the address that tamias dashboard has printed; --allow-host NAME adds one.",
            )
        is_page = scope["method"] in _READING and scope["path"] == "/"
        if not self._is_ours(headers, is_page=is_page):
            return _refused(403, "This request comes from another site's page.")
        if is_page and (token := _token_in(scope)) is not None:
            if not _same(token, self._access.token):
                return HTMLResponse(_CLOSED, 401)
            return self._opened(scope)
        if not self._has_cookie(headers):
            if is_page:
                return HTMLResponse(_CLOSED, 401)
            return _refused(
                401, "This needs the token.", "Open the address that was printed at the start."
            )
        return None if scope["method"] in _READING else self._no_change(scope, headers)

    def _is_ours(self, headers: Headers, *, is_page: bool) -> bool:
        origins = headers.getlist("origin")
        if any(origin.lower() not in self._origins for origin in origins):
            return False
        return is_page or headers.get("sec-fetch-site", "") in _OURS

    def _has_cookie(self, headers: Headers) -> bool:
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load("; ".join(headers.getlist("cookie")))
        except CookieError:
            return False
        found = cookies.get(self._access.cookie)
        return found is not None and _same(found.value, self._access.session)

    def _no_change(self, scope: Scope, headers: Headers) -> Response | None:
        if scope["method"] != "POST":
            return _refused(405, f"There is no {scope['method']} here.")
        if not _same(headers.get("x-csrf-token", ""), self._access.csrf):
            return _refused(403, "This change does not come from the page.", "Load it again.")
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _refused(415, "A change has a body of JSON.")
        length = headers.get("content-length", "")
        if not (length.isdecimal() and len(length) < 10 and int(length) <= LONGEST_BODY):
            return _refused(413, f"The body has no length, or more than {LONGEST_BODY:,} bytes.")
        if not self._access.allow_actions:
            return _refused(
                403,
                "This dashboard only shows.",
                "Start it with --allow-actions to change something with it.",
            )
        return None

    def _opened(self, scope: Scope) -> Response:
        response = HTMLResponse(_OPENED)
        response.set_cookie(
            self._access.cookie,
            self._access.session,
            httponly=True,
            samesite="strict",
            secure=scope["scheme"] == "https",
            path="/",
        )
        return response


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach a server at an address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _token_in(scope: Scope) -> str | None:
    values = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
    return values[-1] if values else None


def _same(given: str, secret: str) -> bool:
    return compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())


def _refused(status: int, message: str, hint: str = "") -> Response:
    error = {"type": "UsageError", "message": message, "hint": hint}
    return JSONResponse({"error": error}, status)


def _with_headers(send: Send) -> Send:
    """Send answers with the headers that all have."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            _add(MutableHeaders(raw=message["headers"]), _HEADERS.items())
        await send(message)

    return sending


def _add(headers: MutableHeaders, fields: Iterable[tuple[str, Any]]) -> None:
    for name, value in fields:
        headers[name] = value
    headers.setdefault("Cache-Control", "no-store")
