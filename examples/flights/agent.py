"""Follows every aircraft that left New York in 2013: its legs, its delays, and when to worry.

The input is one row of `flights.csv` per scheduled flight, keyed by tail number, so the memory that
an action sees is that of one aircraft:

    plane           what the registry says of it (looked up once, when it is first met), or None
    legs            flights that left
    cancelled       flights that did not
    delay           minutes of departure delay, all legs together (leaving early counts negative)
    late_in_a_row   late departures since the last one in time
    recent          the last few legs, as [flight, origin, destination, delay]

Each row gives one line of output: a running summary of its aircraft. The third late departure in a
row gives an alert before it, once per such series.

What real data brings along:

* `NA` stands for a missing value. A flight without a departure delay never left: it is counted as
  cancelled and neither makes nor breaks a series of late departures.
* Rows without a tail number (2,512, all cancelled before an aircraft was assigned) share the key
  `NA`. They are about no aircraft, so they are only counted.
* Anything else that is no number makes the action fail, and `tamias run` sets the row aside in the
  dead letters: bad data is for a human to look at.
"""

from __future__ import annotations

import csv
import os
from functools import cache
from pathlib import Path
from typing import Any

from tamias import Agent, Event, InputEvent, OutputEvent, RunnerContext, action

LATE = 15  # minutes; a departure is late when it is later than this
IN_A_ROW = 3
WINDOW = 5  # legs

MISSING = (None, "", "NA")

# The folder that prepare.py filled, and a file that gets one line per look-up, if one is wanted.
DATA = Path(os.environ.get("FLIGHTS_DATA") or Path(__file__).with_name("data"))
CALLS = os.environ.get("FLIGHTS_CALLS")


class PlaneMet(Event):
    """An aircraft was seen for the first time."""

    tailnum: str


class LegFlown(Event):
    """An aircraft left, `delay` minutes late."""

    tailnum: str
    scheduled: str
    flight: str
    origin: str
    dest: str
    delay: int


class FlightCancelled(Event):
    """An aircraft did not leave."""

    tailnum: str


@cache
def registry() -> dict[str, dict[str, Any]]:
    """All known aircraft by tail number; read once per worker."""
    with (DATA / "planes.csv").open(newline="", encoding="utf-8") as file:
        return {row["tailnum"]: row for row in csv.DictReader(file)}


def look_up_plane(tailnum: str) -> dict[str, Any] | None:
    """Manufacturer, model and year of one aircraft, or None: not every registration is known.

    Stands for whatever is slow or costly and must not be repeated: a request to another service.
    """
    if CALLS:
        # One write of one line to a file opened for appending: whole, whoever else writes.
        descriptor = os.open(CALLS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, f"{tailnum}\n".encode())
        finally:
            os.close(descriptor)
    row = registry().get(tailnum)
    if row is None:
        return None
    year = None if row["year"] in MISSING else int(row["year"])
    return {"manufacturer": row["manufacturer"], "model": row["model"], "year": year}


def send_summary(tailnum: str, ctx: RunnerContext) -> None:
    """Emit what is known of an aircraft by now."""
    memory = ctx.short_term_memory
    plane = memory.get("plane")
    summary = {
        "kind": "summary",
        "tailnum": tailnum,
        "model": plane and plane["model"],
        "legs": memory.get("legs") or 0,
        "cancelled": memory.get("cancelled") or 0,
        "delay": memory.get("delay") or 0,
        "recent_delay": sum(leg[-1] for leg in memory.get("recent") or []),
    }
    ctx.send_event(OutputEvent(output=summary))


class FlightsAgent(Agent):
    """A row becomes events: `PlaneMet`, where it is the first, then `LegFlown` or the other."""

    @action(InputEvent)
    @staticmethod
    def read_row(event: InputEvent, ctx: RunnerContext) -> None:
        """Say what a row means. Events are handled in the order in which they are sent."""
        row = event.input
        memory = ctx.short_term_memory
        tailnum = row["tailnum"]
        if tailnum in MISSING:
            flights = (memory.get("flights") or 0) + 1
            memory.set("flights", flights)
            ctx.send_event(OutputEvent(output={"kind": "unassigned", "flights": flights}))
            return
        if not memory.is_exist("plane"):
            ctx.send_event(PlaneMet(tailnum=tailnum))
        if row["dep_delay"] in MISSING:
            ctx.send_event(FlightCancelled(tailnum=tailnum))
        else:
            ctx.send_event(
                LegFlown(
                    tailnum=tailnum,
                    scheduled=row["time_hour"],
                    flight=row["carrier"] + row["flight"],
                    origin=row["origin"],
                    dest=row["dest"],
                    delay=int(row["dep_delay"]),
                )
            )

    @action(PlaneMet)
    @staticmethod
    def meet_plane(event: PlaneMet, ctx: RunnerContext) -> None:
        """Look the aircraft up: a durable call, which a crash after it does not repeat."""
        plane = ctx.durable_execute(look_up_plane, event.tailnum)
        ctx.short_term_memory.set("plane", plane)

    @action(LegFlown)
    @staticmethod
    def add_leg(event: LegFlown, ctx: RunnerContext) -> None:
        """Keep the accounts of an aircraft, and raise the alert."""
        memory = ctx.short_term_memory
        leg = [event.flight, event.origin, event.dest, event.delay]
        recent = [*(memory.get("recent") or []), leg][-WINDOW:]
        late_in_a_row = (memory.get("late_in_a_row") or 0) + 1 if event.delay > LATE else 0
        memory.set("legs", (memory.get("legs") or 0) + 1)
        memory.set("delay", (memory.get("delay") or 0) + event.delay)
        memory.set("late_in_a_row", late_in_a_row)
        memory.set("recent", recent)
        if late_in_a_row == IN_A_ROW:
            alert = {
                "kind": "alert",
                "tailnum": event.tailnum,
                "scheduled": event.scheduled,
                "late": recent[-IN_A_ROW:],
            }
            ctx.send_event(OutputEvent(output=alert))
        send_summary(event.tailnum, ctx)

    @action(FlightCancelled)
    @staticmethod
    def count_cancelled(event: FlightCancelled, ctx: RunnerContext) -> None:
        """A flight that never left is no leg and no delay."""
        memory = ctx.short_term_memory
        memory.set("cancelled", (memory.get("cancelled") or 0) + 1)
        send_summary(event.tailnum, ctx)
