"""The page of `tamias dashboard` as people see and use it, over a job that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from support.cli import Folder, wait_for
from support.console.browser import (
    DESKTOP,
    PATIENCE,
    PHONE,
    SCRIPT,
    Screen,
    chromium,
    dashboard,
    running_job,
)
from support.console.dashboards import make_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

PAGES = {
    "overview": ("Overview", ".chart-value", "/s"),
    "workers": ("Workers", "tbody td", "0"),
    "actions": ("Actions", "tbody td", "handle"),
    "keys": ("Keys", "tbody", "guest-0"),
    "runs?failed=1": ("Runs", "tbody", "failed"),
    "letters": ("Dead letters", "tbody", "this is trouble"),
    "questions": ("Questions", ".question-text", "May it be, ask <b>this</b>?"),
    "profile": ("Profile", ".card", ""),
    "logs": ("Logs", ".log", "handled value 3"),
    "generations": ("Generations", "tbody td", "0"),
    "limits": ("Limits and cost", ".empty", "No call has a limit"),
}
"""By place: the heading, and what is to be seen where."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    with running_job(tmp_path_factory.mktemp("job")) as folder:
        yield folder


@pytest.fixture(scope="module")
def address(job: Folder) -> Iterator[str]:
    with dashboard(job, "--allow-actions") as found:
        yield found


@pytest.fixture
def screen(browser: Browser, address: str) -> Iterator[Screen]:
    context = browser.new_context(viewport=DESKTOP, color_scheme="light")
    shown = Screen(context.new_page(), address)
    yield shown
    context.close()
    assert shown.errors == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_each_page_is_shown_and_fits_the_window(
    browser: Browser, address: str, size: dict[str, int]
) -> None:
    context = browser.new_context(viewport={"width": size["width"], "height": size["height"]})
    screen = Screen(context.new_page(), address)
    for place, (title, selector, text) in PAGES.items():
        screen.go(f"0/{place}", title)
        screen.sees(f"main {selector}", text)
        assert screen.is_as_wide_as_the_window(), place
    context.close()
    assert screen.errors == []


def test_a_script_in_keys_and_values_is_shown_as_text(screen: Screen) -> None:
    screen.go("0/keys", "Keys")
    screen.page.get_by_role("link", name=SCRIPT).click()
    screen.sees("h1", SCRIPT)
    screen.sees(".tree", SCRIPT)
    screen.page.get_by_role("link", name="notes").click()
    screen.sees("main .tree", f"a note: {SCRIPT}")
    screen.go("0/letters", "Dead letters")
    screen.button("Next").click()
    screen.sees("tbody", f"this is trouble: fail {SCRIPT}")
    screen.go("0/logs", "Logs")
    screen.sees(".log", f"handled {SCRIPT}")
    screen.go("0/runs", "Runs")
    screen.sees("tbody", SCRIPT)
    assert screen.page.title().startswith("Runs")


@pytest.mark.nightly
class TestUse:
    def test_keys_are_found_by_how_they_begin(self, screen: Screen) -> None:
        screen.go("0/keys", "Keys")
        screen.page.get_by_role("searchbox").fill("guest-2")
        expect(screen.page.locator("tbody tr")).to_have_count(10, timeout=PATIENCE)
        screen.page.get_by_role("searchbox").fill("nobody")
        screen.sees("main .empty", "No key with memory begins like this")

    def test_memory_is_a_tree_that_opens_a_part_at_a_time(self, screen: Screen) -> None:
        screen.go("0/keys?prefix=guest-29", "Keys")
        screen.page.get_by_role("link", name="guest-29").click()
        tree = screen.sees(".tree", "value 29")
        expect(tree.get_by_text("149", exact=True)).to_have_count(0)
        tree.get_by_role("button", name="50 more").click()
        expect(tree.get_by_text("149", exact=True).last).to_be_visible()
        tree.get_by_text("150 items").click()
        expect(tree.get_by_text("149", exact=True).last).to_be_hidden()

    def test_a_key_leads_to_its_runs_and_a_run_shows_what_it_did(self, screen: Screen) -> None:
        screen.go("0/letters", "Dead letters")
        screen.page.get_by_role("link", name="failing-007").click()
        screen.sees("h1", "failing-007")
        screen.page.get_by_role("link", name="Its runs").click()
        screen.sees("h1", "Runs")
        expect(screen.page.locator("tbody tr")).to_have_count(1, timeout=PATIENCE)
        screen.page.locator("tbody a").first.click()
        screen.sees(".notice.bad", "this is trouble: fail 7")
        screen.sees(".step.failed", "handle")

    def test_dead_letters_have_pages_and_details(self, screen: Screen) -> None:
        screen.go("0/letters", "Dead letters")
        screen.sees(".pager", "61 dead letters")
        expect(screen.page.locator("tbody tr")).to_have_count(50, timeout=PATIENCE)
        screen.button("Next").click()
        expect(screen.page.locator("tbody tr")).to_have_count(11, timeout=PATIENCE)
        screen.button("Previous").click()
        expect(screen.page.locator("tbody tr")).to_have_count(50, timeout=PATIENCE)
        screen.page.locator("tbody a").first.click()
        screen.sees("h1", "Dead letter")
        screen.sees("pre", "ValueError: this is trouble")

    def test_what_is_to_be_retried_is_asked_first(self, screen: Screen) -> None:
        screen.go("0/letters", "Dead letters")
        expect(screen.button("Retry chosen")).to_be_disabled()
        screen.page.get_by_label("Choose all on this page").check()
        screen.button("Retry 50 chosen").click()
        screen.sees("dialog", "Retry 50 dead letters?")
        screen.page.keyboard.press("Escape")
        expect(screen.page.locator("dialog")).to_have_count(0)
        screen.sees(".pager", "61 dead letters")

    def test_stacks_of_a_worker(self, screen: Screen) -> None:
        screen.go("0/workers", "Workers")
        screen.button("Stacks").click()
        screen.sees("dialog pre", "Thread")

    def test_a_profile_that_is_taken_now_is_a_flame_graph(self, screen: Screen) -> None:
        screen.go("0/profile", "Profile")
        screen.page.locator(".page-head select").select_option("2")
        screen.button("Take one now").click()
        expect(screen.button("Take one now")).to_be_enabled(timeout=PATIENCE)
        graph = screen.page.locator(".flame-graph")
        expect(graph).to_be_visible(timeout=PATIENCE)
        root = graph.get_by_role("treeitem").first
        root.focus()
        screen.page.keyboard.press("ArrowDown")
        assert screen.focus() != "all"
        inner = screen.focus()
        screen.page.keyboard.press("Enter")
        assert screen.focus() == inner
        expect(screen.button("Zoom out")).to_be_enabled()
        screen.page.keyboard.press("Escape")
        expect(screen.button("Zoom out")).to_be_disabled()

    def test_the_log_is_filtered(self, screen: Screen) -> None:
        screen.go("0/logs", "Logs")
        screen.sees(".log", "handled value 1")
        screen.page.get_by_role("searchbox").fill("value 17")
        expect(screen.page.locator(".log-line")).to_have_count(1, timeout=PATIENCE)

    def test_charts_say_what_was_at_a_moment(self, screen: Screen) -> None:
        screen.go("0/overview", "Overview")
        chart = screen.page.locator(".chart-picture").first
        expect(screen.page.locator(".chart footer").first).to_contain_text("now", timeout=PATIENCE)
        chart.focus()
        screen.page.keyboard.press("ArrowLeft")
        expect(screen.page.locator(".chart-when").last).to_contain_text(":")

    def test_light_and_dark(self, screen: Screen) -> None:
        def ground() -> str:
            return str(screen.page.evaluate("getComputedStyle(document.body).backgroundColor"))

        light = ground()
        screen.page.emulate_media(color_scheme="dark")
        dark = ground()
        assert dark != light
        screen.page.keyboard.press("t")
        screen.page.keyboard.press("t")
        assert ground() == light  # chosen, whatever the system has


@pytest.mark.nightly
class TestKeyboard:
    def test_each_page_is_reached(self, screen: Screen) -> None:
        for letter, title in zip("wakrdqplnmo", [*(list(PAGES)[1:]), "overview"], strict=True):
            screen.page.keyboard.press("g")
            screen.page.keyboard.press(letter)
            screen.sees("h1", PAGES[title][0])

    def test_the_first_stop_skips_the_list_of_pages(self, screen: Screen) -> None:
        screen.page.reload()
        screen.sees("h1", "Overview")
        screen.page.keyboard.press("Tab")
        assert screen.focus() == "Skip to content"
        screen.page.keyboard.press("Enter")
        assert screen.page.evaluate("document.activeElement.id") == "main"

    def test_shortcuts_are_listed_and_escape_closes_the_list(self, screen: Screen) -> None:
        screen.page.keyboard.press("?")
        screen.sees("dialog", "Dead letters")
        screen.page.keyboard.press("Escape")
        expect(screen.page.locator("dialog")).to_have_count(0)

    def test_a_slash_goes_to_the_search(self, screen: Screen) -> None:
        screen.go("0/keys", "Keys")
        screen.page.keyboard.press("/")
        screen.page.keyboard.type("guest-07")
        expect(screen.page.locator("tbody tr")).to_have_count(1, timeout=PATIENCE)


@pytest.mark.nightly
class TestChanges:
    """Each with a job of its own."""

    @pytest.fixture
    def own(self, tmp_path: object, request: pytest.FixtureRequest) -> Iterator[Folder]:
        with running_job(request.getfixturevalue("tmp_path")) as folder:
            yield folder

    def test_a_question_is_answered_with_the_keyboard(self, browser: Browser, own: Folder) -> None:
        with dashboard(own, "--allow-actions") as address:
            context = browser.new_context(viewport=PHONE)
            screen = Screen(context.new_page(), address)
            screen.go("0/questions", "Questions")
            screen.page.get_by_label("Answer").focus()
            screen.page.keyboard.type('{"yes": [1, 2]}')
            for _ in range(3):
                screen.page.keyboard.press("Tab")
            assert screen.focus() == "Answer"
            screen.page.keyboard.press("Enter")
            screen.sees(".empty", "Nobody is asked anything")
            context.close()
            assert screen.errors == []
        wait_for(lambda: own.memory("bob").get("answer") == {"yes": [1, 2]})

    def test_dead_letters_are_retried(self, browser: Browser, own: Folder) -> None:
        own.write("repaired", "")
        with dashboard(own, "--allow-actions") as address:
            context = browser.new_context(viewport=DESKTOP)
            screen = Screen(context.new_page(), address)
            screen.go("0/letters", "Dead letters")
            screen.button("Retry all").click()
            screen.page.locator("dialog").get_by_role("button", name="Retry all").click()
            screen.sees("#reports", "61 dead letters are tried again")
            wait_for(lambda: own.dead_letters() == [])
            screen.page.reload()
            screen.sees("main .empty", "There are no dead letters")
            context.close()
            assert screen.errors == []

    def test_workers_are_swapped_and_scaled_and_the_agent_reloaded(
        self, browser: Browser, own: Folder
    ) -> None:
        with dashboard(own, "--allow-actions") as address:
            context = browser.new_context(viewport=DESKTOP)
            screen = Screen(context.new_page(), address)
            screen.go("0/workers", "Workers")
            screen.button("Swap").click()
            screen.page.locator("dialog").get_by_role("button", name="Swap").click()
            screen.sees("#reports", "Worker 0 was replaced")
            screen.page.get_by_label("Number of workers").fill("3")
            screen.button("Scale").click()
            screen.page.locator("dialog").get_by_role("button", name="Scale").click()
            screen.sees(".controls", "3 of 3 ready")
            screen.go("0/generations", "Generations")
            screen.button("Reload").click()
            screen.page.locator("dialog").get_by_role("button", name="Reload").click()
            expect(screen.page.locator(".card").first).to_contain_text("generation1")
            context.close()
            assert screen.errors == []


@pytest.mark.nightly
def test_a_page_that_only_shows_says_so(browser: Browser, job: Folder) -> None:
    with dashboard(job) as address:
        context = browser.new_context(viewport=DESKTOP)
        screen = Screen(context.new_page(), address)
        screen.go("0/letters", "Dead letters")
        screen.sees(".read-only", "--allow-actions")
        expect(screen.button("Retry all")).to_be_disabled()
        screen.go("0/questions", "Questions")
        expect(screen.button("Answer")).to_be_disabled()
        context.close()
        assert screen.errors == []


@pytest.mark.nightly
def test_a_server_that_goes_is_reported_and_found_again(browser: Browser, job: Folder) -> None:
    token = job.write("token", "a-token-that-nobody-can-guess-0123456789")
    token.chmod(0o600)
    with dashboard(job, "--token-file", "token") as address:
        port = address.partition("?")[0].rstrip("/").rpartition(":")[2]
        context = browser.new_context(viewport=DESKTOP)
        screen = Screen(context.new_page(), address.replace("TOKEN", token.read_text()))
        screen.sees(".summary", "running")
    screen.sees("#banner", "The dashboard does not answer.")
    with job.started(
        "dashboard", "out.jsonl.tamias", "--port", port, "--token-file", "token"
    ) as it:
        assert it.stdout is not None
        it.stdout.readline()
        # Its cookie is another one, so the page has to be opened anew.
        screen.sees("#banner", "token")
    context.close()


def test_times_of_actions_agree_with_their_sum(screen: Screen) -> None:
    # Ten of a second each and a bit, with which the upper end of their bucket has little to do.
    sample = {"count": 10, "sum": 10.1, "buckets": {"1": 0, "4": 10, "+Inf": 10}}
    series = [{"name": "tamias_action_seconds", "samples": [[{"action": "f"}, sample]]}]
    rows = screen.page.evaluate(
        "series => import('/assets/pages/actions.js').then(page => page.rowsOf(series))", series
    )
    assert 1 <= rows[0]["p50"] < 1.01
    assert rows[0]["p50"] <= rows[0]["p99"] < 1.2


@pytest.mark.nightly
def test_several_jobs_at_rest_are_chosen_from_a_list(browser: Browser, tmp_path: Path) -> None:
    for name in ("first", "second"):
        make_state(tmp_path / f"{name}.tamias", {f"key of {name}": {"n": 1}})
    with dashboard(Folder(tmp_path), states=()) as address:
        context = browser.new_context(viewport=PHONE)
        screen = Screen(context.new_page(), address)
        screen.sees("h1", "Jobs")
        screen.page.get_by_role("link", name="second").click()
        screen.sees(".summary", "at rest")
        screen.button("Pages").click()
        screen.page.get_by_role("link", name="Keys").click()
        screen.sees("tbody", "key of second")
        screen.button("Pages").click()
        screen.page.get_by_label("Job", exact=True).select_option(label="first (at rest)")
        screen.sees("tbody", "key of first")
        screen.go("0/workers", "Workers")
        screen.sees("main .empty", "The job is at rest")
        context.close()
        assert screen.errors == []


@pytest.mark.nightly
def test_nothing_moves_while_numbers_change(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    page.add_init_script(
        """
        window.moved = [];
        new PerformanceObserver((list) => moved.push(...list.getEntries().map((one) => one.value)))
            .observe({ type: "layout-shift" });
        """
    )
    screen = Screen(page, address)
    for place in ("overview", "workers"):
        screen.go(f"0/{place}")
        screen.sees(".summary", "running")
        page.wait_for_timeout(500)
        page.evaluate("moved.length = 0")
        page.wait_for_timeout(2500)
        assert page.evaluate("moved.reduce((one, other) => one + other, 0)") < 0.01, place
    context.close()
