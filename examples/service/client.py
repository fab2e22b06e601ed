"""A client that may be killed at any time, and started again with the same command.

    tamias serve counter.py:Counter --state /tmp/counter     # in one terminal
    python client.py /tmp/counter                            # in another, as often as you like

Its events have numbers of their own here (the lines of a file, say), and it is the client id that
makes the service know them again: however often this runs, each event is counted once.
"""

from __future__ import annotations

import sys

from tamias import Client

EVENTS = [(f"user{number % 10}", {"number": number}) for number in range(1000)]


def main() -> None:
    """Hand in all events, and print what comes of them."""
    with Client(sys.argv[1], client_id="example") as client:
        for done in client.stream(EVENTS, ordered=True):
            print(done.sequence, done.key, done.result())


if __name__ == "__main__":
    main()
