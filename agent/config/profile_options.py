"""The settings of profiles."""

from __future__ import annotations

from ..naming.public import public
from .option import ConfigOption

__all__ = ["ProfileOptions"]


@public
class ProfileOptions:
    """How workers look at where they spend their time."""

    RATE = ConfigOption(
        "profile-rate",
        float,
        20.0,
        minimum=0.0,
        description="Samples a second that each worker takes all the time, for `tamias profile`;"
        " 0 for only those that are asked for.",
    )
