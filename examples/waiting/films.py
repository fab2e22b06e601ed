"""Has films rendered by an HTTP API, and waits until they are ready.

    python render_api.py 8766 &
    tamias run films.py:Films --input films.jsonl --key customer --output links.jsonl

A film that is being rendered holds no worker: its run waits in the store.
"""

from __future__ import annotations

import json
import os
import urllib.request
from typing import Any

from tamias import Agent, InputEvent, OutputEvent, RetryPolicy, RunnerContext, action

API = os.environ.get("RENDER_API", "http://127.0.0.1:8766")
PATIENT = RetryPolicy(attempts=20, wait=1, factor=2, longest=300)
"""About an hour, if the API is down; when it says how long to wait, that is kept to."""


def ask(path: str, order: dict[str, str] | None = None) -> dict[str, Any]:
    """Send a request; an answer that is an error is raised as `urllib.error.HTTPError`."""
    data = None if order is None else json.dumps(order).encode()
    request = urllib.request.Request(API + path, data=data)  # noqa: S310 (http is meant)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        content: dict[str, Any] = json.load(answer)
        return content


class Films(Agent):
    """Gives one output for each film: where it is."""

    @action(InputEvent)
    @staticmethod
    async def film(event: InputEvent, ctx: RunnerContext) -> None:
        """Order a film, and ask for it until it is ready: after 1 s, 2 s, 4 s, ..., a minute."""
        order = {"title": event.input["title"], "key": str(event.id)}
        begun = await ctx.durable_execute_async(ask, "/films", order, retry=PATIENT)
        pause = 1.0
        while True:
            await ctx.sleep(pause)
            path = f"/films/{begun['film']}"
            answer = await ctx.durable_execute_async(ask, path, retry=PATIENT)
            if answer["state"] == "ready":
                break
            pause = min(2 * pause, 60.0)
        ctx.send_event(OutputEvent(output={"title": order["title"], "link": answer["link"]}))
