"""Groups the clicks of each user into sessions: half an hour without a click ends one.

    tamias run sessions.py:Sessions --input clicks.jsonl --key user --output sessions.jsonl

An input is a click: its user, its page, and the second at which it was made. A session ends

- with a click that was made more than `silence` seconds after the one before: in a file of
  yesterday's clicks, which are read at once, this is how pauses are found;
- when `silence` seconds have passed and no click has come: from a pipe or a service, where a click
  comes when it is made;
- with the input.
"""

from __future__ import annotations

from tamias import Agent, EndOfInputEvent, Event, InputEvent, OutputEvent, RunnerContext, action


class Silence(Event):
    """No click has come for a while."""


class Sessions(Agent):
    """Gives one output for each session. The memory of a user is the session that is open."""

    @action(InputEvent)
    @staticmethod
    def add(event: InputEvent, ctx: RunnerContext) -> None:
        """Add a click to the session of its user, or begin another one."""
        click = event.input
        silence = ctx.config.get_float("silence", 1800.0)
        session = ctx.short_term_memory.get("session")
        if session is not None and click["at"] - session["to"] > silence:
            ctx.send_event(OutputEvent(output=session))
            session = None
        if session is None:
            session = {"from": click["at"], "pages": []}
        session["to"] = click["at"]
        session["pages"].append(click["page"])
        ctx.short_term_memory.set("session", session)
        ctx.cancel("silence")
        ctx.schedule(after=silence, event=Silence(), id="silence")

    @action(Silence, EndOfInputEvent)
    @staticmethod
    def end(_: Event, ctx: RunnerContext) -> None:
        """Give out the session that is open."""
        ctx.cancel("silence")
        session = ctx.short_term_memory.get("session")
        if session is not None:
            ctx.short_term_memory.set("session", None)
            ctx.send_event(OutputEvent(output=session))
