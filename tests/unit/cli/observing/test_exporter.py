"""The process that exports metrics: it comes again when it dies, and ends with its block."""

from __future__ import annotations

import os
import signal
import sys
import urllib.request
from typing import TYPE_CHECKING

import psutil
import pytest

from support.cli import is_dead, wait_for
from tamias.agent.errors import MissingExtraError, UsageError
from tamias.cli.observing.exporter import Exporter

if TYPE_CHECKING:
    from pathlib import Path


def page(exporter: Exporter) -> str:
    with urllib.request.urlopen(exporter.url, timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def exporting() -> list[psutil.Process]:
    return [
        each
        for each in psutil.Process().children()
        if not is_dead(each) and "--with-parent" in each.cmdline()
    ]


@pytest.mark.process
def test_another_one_is_started_when_it_dies(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Exporter([tmp_path / "job.tamias"], "0") as exporter:
        assert 'tamias_up{agent="job"} 0.0' in page(exporter)
        (first,) = exporting()
        os.kill(first.pid, signal.SIGKILL)
        assert "tamias_up" in page(exporter)  # the socket is the launcher's: nothing is refused
        (second,) = exporting()
        assert second != first
    assert "the process that exports metrics has ended (SIGKILL)" in caplog.text
    wait_for(lambda: is_dead(second))


@pytest.mark.process
def test_a_port_in_use_is_an_error_before_anything_begins(tmp_path: Path) -> None:
    first = Exporter([tmp_path], "0")
    place = first.url.removeprefix("http://").removesuffix("/metrics")
    with first, pytest.raises(UsageError, match="another program uses it"):
        Exporter([tmp_path], place)


def test_without_an_address_nothing_is_started() -> None:
    with Exporter([], None) as exporter:
        assert exporter.url == ""
        assert exporting() == []


def test_what_is_not_installed_is_said_before_anything_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingExtraError, match="prometheus-client") as metrics:
        Exporter([tmp_path], "0")
    assert "tamias[metrics]" in metrics.value.hint
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    with pytest.raises(MissingExtraError, match="OpenTelemetry") as otlp:
        Exporter([tmp_path], None, "http://localhost:4318")
    assert "tamias[otel]" in otlp.value.hint
