from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.console.dashboards import make_state
from tamias.agent.errors import StoreFormatError, UsageError
from tamias.cli.observing.dashboard import dashboard

if TYPE_CHECKING:
    from pathlib import Path


def refused(**options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        dashboard(**options)
    return f"{caught.value.message} {caught.value.hint}"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return make_state(tmp_path / "state")


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1"])
def test_other_machines_need_a_flag_that_says_so(state: Path, address: str) -> None:
    text = refused(states=[state], listen=address)
    assert "not encrypted" in text
    assert "--expose" in text


def test_a_folder_that_is_no_state_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreFormatError):
        dashboard([tmp_path])


@pytest.mark.parametrize("module", ["starlette", "uvicorn"])
def test_a_missing_extra_is_named(
    state: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it could not be imported
    text = refused(states=[state])
    assert module in text
    assert "tamias[dashboard]" in text


def test_a_port_that_is_taken_is_named(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        assert f"port {number}" in refused(states=[state], port=number)


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        ("t" * 32, 0o644, "Others may read"),
        ("short", 0o600, "has no token"),
        ("two words that are long enough", 0o600, "has no token"),
    ],
)
def test_a_token_that_others_may_know_is_refused(
    state: Path, tmp_path: Path, content: str, mode: int, words: str
) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    file.chmod(mode)
    assert words in refused(states=[state], port=0, token_file=file)
