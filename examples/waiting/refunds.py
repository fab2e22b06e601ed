"""Pays refunds; above a limit a person has to approve.

    tamias run refunds.py:Refunds --input refunds.jsonl --key customer --output paid.jsonl
    tamias waiting paid.jsonl.tamias                    # the questions, with their tokens
    tamias answer paid.jsonl.tamias TOKEN --json true   # or false
    tamias resume paid.jsonl.tamias

It ends with exit code 4 while refunds wait for their approval.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from tamias import (
    Agent,
    InputEvent,
    OutputEvent,
    RunnerContext,
    WaitTimeoutError,
    action,
)

LIMIT = 100


def pay(customer: str, order: int, amount: float) -> str:
    """Pay; stands for a request to a bank."""
    with Path("payments.log").open("a", encoding="utf-8") as log:
        print(customer, order, amount, file=log)
    return f"payment of {amount} for order {order}"


class Refunds(Agent):
    """Gives one output for each refund, and one for each question (a `tamias.Question`)."""

    @action(InputEvent)
    @staticmethod
    async def refund(event: InputEvent, ctx: RunnerContext) -> None:
        """Pay a refund, after an approval if it is a large one."""
        order, amount = event.input["order"], event.input["amount"]
        approved: Any = True
        if amount > LIMIT:
            try:
                approved = await ctx.wait_for("approve", timeout=timedelta(days=3), ask=event.input)
            except WaitTimeoutError:
                approved = "no answer"
        if approved is True:
            paid = await ctx.durable_execute_async(pay, ctx.key, order, amount)
            ctx.send_event(OutputEvent(output={"order": order, "paid": paid}))
        else:
            ctx.send_event(OutputEvent(output={"order": order, "refused": approved}))
