"""The files of the page: read once, and named by a table, so that no address leads elsewhere."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["Assets"]

_HERE: Final = Path(__file__).parent
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
"""The table of this machine may say something else, and browsers take nothing else for a script."""


class _Asset(NamedTuple):
    content: bytes
    kind: str
    tag: str


class Assets:
    """All files of the page; the drawing of flame graphs is shared with `tamias profile`."""

    def __init__(self) -> None:
        folder = _HERE / "assets"
        found = {str(path.relative_to(folder)): path for path in folder.rglob("*")}
        shared = _HERE.parent / "profiles"
        found.update(
            {path.name: path for path in shared.iterdir() if path.suffix in (".js", ".css")}
        )
        self._assets = {
            name: _read(path)
            for name, path in found.items()
            if path.suffix in _TYPES and path.is_file()
        }

    async def page(self, request: Request) -> Response:
        """The page itself."""
        return self._answer(request, "index.html")

    async def icon(self, request: Request) -> Response:
        """What browsers ask for before they know the page's own."""
        return self._answer(request, "icon.svg")

    async def endpoint(self, request: Request) -> Response:
        """A file of the page."""
        return self._answer(request, str(request.path_params["path"]))

    def _answer(self, request: Request, name: str) -> Response:
        asset = self._assets.get(name)
        if asset is None:
            return PlainTextResponse("There is no such file.", 404)
        headers = {"ETag": asset.tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == asset.tag:
            return Response(status_code=304, headers=headers)
        return Response(asset.content, headers=headers, media_type=asset.kind)


def _read(path: Path) -> _Asset:
    content = path.read_bytes()
    tag = f'"{blake2b(content, digest_size=12).hexdigest()}"'
    return _Asset(content, _TYPES[path.suffix], tag)
