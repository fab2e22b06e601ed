"""What tests under fire leave running is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.fire import beside

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def nothing_goes_on() -> Iterator[None]:
    yield
    beside.stop_all()
