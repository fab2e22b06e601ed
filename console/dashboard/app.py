"""The dashboard as an ASGI application."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Route

from .api.overview import job_list
from .api.routes import ROUTES, Pace
from .assets_served import Assets
from .endpoints.replies import NotThereError, RequestThreads, json_response
from .live import EventStream, LiveFeed
from .security import Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from .api.routes import JobRoute
    from .endpoints.replies import Asked
    from .jobs import ShownJob, ShownJobs
    from .security import Access

__all__ = ["make_app"]


def make_app(jobs: ShownJobs, access: Access) -> ASGIApp:
    """The application for these jobs."""
    feed = LiveFeed(jobs)
    assets = Assets()
    by_pace = {
        Pace.QUICK: RequestThreads(threads=6, waiting=60),
        Pace.SLOW: RequestThreads(threads=4, waiting=40),
        Pace.WAITING: RequestThreads(threads=6, waiting=20),
    }
    quick = by_pace[Pace.QUICK]

    def job_route(route: JobRoute) -> Route:
        endpoint = by_pace[route.pace].endpoint(jobs.get, route.work)
        return Route(f"/api/{{job}}/{route.path}", endpoint, methods=[route.method])

    def session(_: Asked) -> dict[str, Any]:
        why = "" if access.allow_actions else "The dashboard was started without --allow-actions."
        return {
            "csrf": access.csrf,
            "actions": access.allow_actions,
            "reason": why,
            "version": version("tamias"),
        }

    def history(job: ShownJob, _: Asked) -> Any:
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
        Route("/", assets.page),
        Route("/favicon.ico", assets.icon),
        Route("/assets/{path:path}", assets.endpoint),
        Route("/api/session", quick.plain_endpoint(session)),
        Route("/api/jobs", quick.plain_endpoint(lambda _: job_list(jobs))),
        Route("/api/{job}/history", quick.endpoint(jobs.get, history)),
        *map(job_route, ROUTES),
        Route("/api/{job}/events", events),
        Route("/api/{rest:path}", quick.plain_endpoint(_nothing)),
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


def _nothing(asked: Asked) -> Any:
    raise NotThereError(f"There is no /api/{asked.path.get('rest')} here.")
