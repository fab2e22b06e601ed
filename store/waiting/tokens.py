"""Tokens of questions: names that cannot be guessed, and that say where the question is.

    "q" | milliseconds since the epoch (11 hex digits) | shard (4 hex digits) | 128 random bits

The time comes first, so that questions sort by their age.
"""

from __future__ import annotations

from secrets import token_hex

__all__ = ["make_token", "shard_of_token"]

_RANDOM_BYTES = 16


def make_token(shard: int, now: float) -> str:
    """Return a new token for a question in a shard, asked at `now` (seconds since the epoch)."""
    return f"q{int(now * 1000):011x}{shard & 0xFFFF:04x}{token_hex(_RANDOM_BYTES)}"


def shard_of_token(token: str) -> int:
    """Return the shard in which a question was asked (a Flink job may have moved it since)."""
    return int(token[12:16], 16)
