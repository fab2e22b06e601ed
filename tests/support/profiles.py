"""How thoroughly Hypothesis looks: a profile for the inner loop, one for CI, one for the night.

A test says how many examples it takes in CI; the other profiles take a share or a multiple of that.
No profile has a deadline or minds slow data: the machine may be busy.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

FACTORS: Final = {"dev": 0.1, "ci": 1.0, "nightly": 20.0}
PROFILE: Final = os.environ.get("TAMIAS_TEST_PROFILE", "ci")
"""The profile in use; the scripts set it."""

SHARED_FIXTURE: Final = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
"""For a test whose examples may all use the same `tmp_path`."""


def load() -> None:
    """Make the chosen profile the one that all tests have."""
    for name, factor in FACTORS.items():
        settings.register_profile(
            name,
            max_examples=max(10, int(100 * factor)),
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
            print_blob=True,
        )
    settings.load_profile(PROFILE)


def examples(in_ci: int) -> int:
    """The number of examples in the chosen profile of a test that takes so many in CI."""
    return max(3, int(in_ci * FACTORS[PROFILE]))
