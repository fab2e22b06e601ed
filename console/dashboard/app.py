"""The dashboard as an ASGI application."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from .api.overview import job_list, job_status
from .api.replies import NotThereError, Workshop, json_response
from .live import EventStream, LiveFeed
from .security import Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from .api.replies import Asked
    from .jobs import Job, Jobs
    from .security import Access

__all__ = ["make_app"]

_ASSETS = Path(str(files(__package__))) / "assets"


def make_app(jobs: Jobs, access: Access) -> ASGIApp:
    """The application for these jobs."""
    feed = LiveFeed(jobs)
    workshop = Workshop()

    def job_route(path: str, work: Callable[[Job, Asked], Any], *methods: str) -> Route:
        endpoint = workshop.endpoint(jobs.get, work)
        return Route(f"/api/{{job}}/{path}", endpoint, methods=list(methods) or ["GET"])

    def session(_: Asked) -> dict[str, Any]:
        return {"csrf": access.csrf, "actions": access.allow_actions}

    def history(job: Job, _: Asked) -> Any:
        found = feed.history.get(job.id)
        return found.to_json() if found is not None else {}

    async def events(request: Request) -> Any:
        job = str(request.path_params["job"])
        if jobs.get(job) is None:
            return json_response({"error": {"message": f"There is no job {job!r} here."}}, 404)
        place = feed.subscribe(job)
        if place is None:
            return json_response({"error": {"message": "Too many browsers listen."}}, 503)
        return EventStream(feed, job, place)

    routes = [
        Route("/", _page),
        Mount("/assets", StaticFiles(directory=_ASSETS)),
        Route("/api/session", workshop.plain_endpoint(session)),
        Route("/api/jobs", workshop.plain_endpoint(lambda _: job_list(jobs))),
        job_route("status", job_status),
        job_route("history", history),
        Route("/api/{job}/events", events),
        Route("/api/{rest:path}", workshop.plain_endpoint(_nothing)),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sampling = asyncio.ensure_future(feed.run())
        try:
            yield
        finally:
            sampling.cancel()
            with suppress(asyncio.CancelledError):
                await sampling
            jobs.close()

    return Guard(Starlette(routes=routes, lifespan=lifespan), access)


async def _page(_: Request) -> FileResponse:
    return FileResponse(_ASSETS / "index.html")


def _nothing(asked: Asked) -> Any:
    raise NotThereError(f"There is no /api/{asked.path.get('rest')} here.")
