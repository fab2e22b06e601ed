"""Failures told apart: by exceptions of real clients against a real server."""

from __future__ import annotations

import json
import math
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tamias import ActionResultError, RunTimeoutError
from tamias.agent.waiting.temporary import Kind, kind_of, said_wait, status_of


class Refusing(BaseHTTPRequestHandler):
    """Answers with the status in the path, and says when to come again."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.send_header("Retry-After", "17")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    httpd = HTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def error_of(url: str) -> Exception:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=5)
    except OSError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, Kind.TEMPORARY), (503, Kind.TEMPORARY), (404, Kind.OTHER), (401, Kind.OTHER)],
)
def test_a_status_tells_whether_it_is_temporary(server: str, status: int, kind: Kind) -> None:
    error = error_of(f"{server}/{status}")
    assert isinstance(error, urllib.error.HTTPError)
    assert status_of(error) == status
    assert kind_of(error) is kind
    assert said_wait(error, 0.0) == 17
    error.close()


def test_a_server_that_is_down_is_temporary() -> None:
    with HTTPServer(("127.0.0.1", 0), Refusing) as gone:
        port = gone.server_port
    error = error_of(f"http://127.0.0.1:{port}/")
    assert kind_of(error) is Kind.TEMPORARY
    assert said_wait(error, 0.0) is None


def of_client(module: str, name: str) -> Exception:
    base = type(name, (Exception,), {"__module__": module})
    error: Exception = type("Special", (base,), {"__module__": "mine"})("it failed")
    return error


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), Kind.TEMPORARY),
        (ConnectionResetError(), Kind.TEMPORARY),
        (of_client("httpx", "ConnectError"), Kind.TEMPORARY),
        (of_client("openai", "RateLimitError"), Kind.TEMPORARY),
        (of_client("anthropic._exceptions", "OverloadedError"), Kind.TEMPORARY),
        (of_client("mine", "ConnectError"), Kind.OTHER),
        (caused(ValueError("no answer"), ConnectionResetError()), Kind.TEMPORARY),
        (FileNotFoundError(2, "no such file"), Kind.OTHER),
        (PermissionError(13, "denied"), Kind.OTHER),
        (OSError(28, "no space"), Kind.OTHER),
        (RuntimeError("odd"), Kind.OTHER),
        (json.JSONDecodeError("cut", "{", 1), Kind.OTHER),
        (RunTimeoutError("long"), Kind.OTHER),
        (ActionResultError("an event"), Kind.CODE),
        (KeyError("name"), Kind.CODE),
        (TypeError("type"), Kind.CODE),
        (ZeroDivisionError(), Kind.CODE),
        (ValueError("value"), Kind.CODE),
        (AssertionError(), Kind.CODE),
    ],
    ids=repr,
)
def test_exceptions_are_told_apart(error: Exception, kind: Kind) -> None:
    assert kind_of(error) is kind


def test_an_exception_whose_attributes_raise_is_told_all_the_same() -> None:
    class HostileError(Exception):
        def __getattr__(self, name: str) -> object:
            raise RuntimeError(name)

    assert kind_of(HostileError()) is Kind.OTHER
    assert said_wait(HostileError(), 0.0) is None


class SaysWaitError(Exception):
    """Says when to come again."""

    def __init__(self, retry_after: object) -> None:
        super().__init__()
        self.retry_after = retry_after


@pytest.mark.parametrize(
    "said",
    [10**400, -(10**400), datetime(1, 1, 1), "9" * 400, "nan", math.inf],  # noqa: DTZ001 (as users do)
)
def test_a_wait_that_no_clock_can_tell_is_none(said: object) -> None:
    error = SaysWaitError(said)
    assert said_wait(error, 1.8e9) is None
    assert kind_of(error) is Kind.OTHER


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Mon, 01 Jan 1990 00:00:00 GMT", 0),
        (datetime(1990, 1, 1, tzinfo=timezone.utc), 0),
        (datetime.fromtimestamp(1.8e9 + 7, timezone.utc), 7),
        (1.8e9 + 7, 7),
        ("1800000007", 7),
        (timedelta(seconds=7), 7),
        ("7 s", 7),
    ],
)
def test_a_moment_is_no_duration_however_long_ago(said: object, seconds: float) -> None:
    assert said_wait(SaysWaitError(said), 1.8e9) == seconds
