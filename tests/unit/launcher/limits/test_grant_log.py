"""The log of grants: what the next launcher finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tamias.agent.errors import StoreError
from tamias.launcher.limits.asks import AskedRoute
from tamias.launcher.limits.grant_log import GrantLog
from tamias.launcher.limits.limiter import Grant
from tamias.store import clock

if TYPE_CHECKING:
    from pathlib import Path


def grant(number: int, limit: str = "api", key: str = "") -> Grant:
    return Grant("w", number, AskedRoute(0, limit, 10 * number, 0), key)


def test_there_is_no_file_before_the_first_grant(tmp_path: Path) -> None:
    log = GrantLog(tmp_path / "limits.log")
    assert log.recent == []
    assert not list(tmp_path.iterdir())


def test_the_next_launcher_has_the_grants_of_the_last_minute(tmp_path: Path) -> None:
    now = clock.steady()
    log = GrantLog(tmp_path / "limits.log")
    log.append([grant(1), grant(2, "other", "k")], now - 90)
    log.append([grant(3), grant(4, "other", "k")], now - 30)
    log.append([grant(5)], now)
    log.close()
    found = GrantLog(tmp_path / "limits.log")
    assert [line[1:] for line in found.recent] == [
        ("api", "", 30),
        ("other", "k", 40),
        ("api", "", 50),
    ]
    assert found.recent[0][0] == now - 30
    found.close()
    assert len((tmp_path / "limits.log").read_text().splitlines()) == 3


def test_a_line_that_was_cut_off_is_no_grant(tmp_path: Path) -> None:
    path = tmp_path / "limits.log"
    log = GrantLog(path)
    log.append([grant(1)], clock.steady())
    log.append([grant(2)], clock.steady())
    log.close()
    path.write_bytes(path.read_bytes()[:-10])
    assert [line[3] for line in GrantLog(path).recent] == [10]


def test_grants_from_before_a_start_of_the_machine_are_as_old_as_the_clock_says(
    tmp_path: Path,
) -> None:
    path = tmp_path / "limits.log"
    log = GrantLog(path)
    log.append([grant(1)], clock.steady() - 20)
    log.close()
    boot = path.read_text().split('"')[1]
    path.write_text(path.read_text().replace(boot, "another"))
    ((moment, *_),) = GrantLog(path).recent
    assert 19 < clock.steady() - moment < 22


def test_old_grants_are_dropped_when_the_file_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tamias.launcher.limits.grant_log._LARGEST", 2000)
    path = tmp_path / "limits.log"
    log = GrantLog(path)
    for number in range(200):
        log.append([grant(number)], clock.steady() - 100)
    assert path.stat().st_size < 2200
    log.close()


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    log = GrantLog(tmp_path / "gone" / "limits.log")
    with pytest.raises(StoreError):
        log.append([grant(1)], clock.steady())
