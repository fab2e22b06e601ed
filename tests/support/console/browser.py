"""The page of a real dashboard over a real job, in Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import expect, sync_playwright

from support.cli import Folder, wait_for
from tamias.launcher.control.client import send_request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page, ViewportSize

DESKTOP: Final[ViewportSize] = {"width": 1280, "height": 800}
PHONE: Final[ViewportSize] = {"width": 360, "height": 740}
PATIENCE: Final = 60_000
"""Milliseconds."""

SCRIPT: Final = "<script>document.title=1</script>" + "<img src=x onerror=document.title=2>"
"""As a key and in values: nothing of it may be executed."""

AGENT: Final = '''
"""Fails, asks, and remembers."""

from pathlib import Path

from tamias import Agent, InputEvent, OutputEvent, action

HERE = Path(__file__).parent


class Desk(Agent):
    @action(InputEvent)
    @staticmethod
    async def handle(event, ctx):
        value = event.input
        memory = ctx.short_term_memory
        memory.set("last.value", value)
        memory.set("list", list(range(150)))
        await ctx.long_term_memory.get_memory_set("notes").aadd(f"a note: {value}")
        print("handled", value)
        if value.startswith("fail") and not (HERE / "repaired").exists():
            raise ValueError(f"this is trouble: {value}")
        if value.startswith("ask"):
            asked = {"text": f"May it be, {value}?"}
            memory.set("answer", await ctx.wait_for("approve", ask=asked))
        ctx.send_event(OutputEvent(output=value))
'''

INPUTS: Final = (
    *((f"guest-{number:02}", f"value {number}") for number in range(30)),
    *((f"failing-{number:03}", f"fail {number}") for number in range(60)),
    ("bob", "ask <b>this</b>"),
    (SCRIPT, SCRIPT),
    (SCRIPT, f"fail {SCRIPT}"),
)


class Screen:
    """A page, with all errors that it has reported.

    Attributes:
        page: Playwright's page.
        errors: what the console has reported, and scripts that failed.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.errors: list[str] = []
        self._home = address.partition("?")[0]
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda line: self._report(line.type, f"{line.text} {line.location}"))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(address)
        expect(page.locator("main h1")).to_be_visible(timeout=PATIENCE)

    def _report(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(text)

    def go(self, place: str, title: str | None = None) -> None:
        """Go to a place of the page, as `0/keys`; its heading has to be `title`."""
        self.page.goto(f"{self._home}#/{place}")
        if title is not None:
            self.sees("h1", title)

    def sees(self, selector: str, text: str) -> Locator:
        """Wait until the first such element contains a text."""
        found = self.page.locator(selector).first
        expect(found).to_contain_text(text, timeout=PATIENCE)
        return found

    def button(self, name: str) -> Locator:
        """The first button of this name."""
        return self.page.get_by_role("button", name=name, exact=True).first

    def is_as_wide_as_the_window(self) -> bool:
        """Whether nothing sticks out of the page to the right."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))

    def focus(self) -> str:
        """The text of the element that has the focus, or its label."""
        script = "document.activeElement.getAttribute('aria-label')"
        return str(self.page.evaluate(f"{script} || document.activeElement.textContent"))


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser; the test is skipped where there is none."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def running_job(path: Path) -> Iterator[Folder]:
    """A job that has done all `INPUTS`, and waits for an answer."""
    folder = Folder(path)
    folder.write("desk.py", AGENT)
    lines = [{"key": key, "value": value} for key, value in INPUTS]
    folder.write("in.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))
    settings = ("--set", "max-attempts=1", "--set", "event-log.sample=1", "--set", "at-end=wait")
    with folder.started(
        *("run", "desk.py:Desk", "--input", "in.jsonl", "--output", "out.jsonl"),
        *("--workers", 2, "--on-error", "dead-letter", *settings),
    ):
        state = path / "out.jsonl.tamias"
        wait_for(lambda: _is_done(state))
        yield folder


def _is_done(state: Path) -> bool:
    try:
        status = send_request(state, "status", wait=10)
    except Exception:  # noqa: BLE001 (it is just starting)
        return False
    return bool(status["questions"] == 1 and status["dead_letters"] == 61)


@contextmanager
def dashboard(
    folder: Folder, *arguments: object, states: tuple[str, ...] = ("out.jsonl.tamias",)
) -> Iterator[str]:
    """A dashboard in a process of its own: its address, with the token."""
    with folder.started("dashboard", *states, "--port", 0, *arguments) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://"), address
        yield address
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
