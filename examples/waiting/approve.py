"""Asks a person at a terminal about each refund that waits for its approval.

    tamias serve refunds.py:Refunds --state refunds     # in one terminal
    python approve.py refunds                           # in another

It is a client of the service, as is what submits the refunds.
"""

from __future__ import annotations

import sys

from tamias import Client


def main() -> None:
    """Show all questions, and answer them."""
    with Client(sys.argv[1]) as client:
        for question in client.questions():
            refund = f"{question.key}: {question.ask['amount']} for order {question.ask['order']}"
            is_approved = input(f"{refund}. Pay? [y/n] ") == "y"
            client.answer(question.token, is_approved)


if __name__ == "__main__":
    main()
