from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from support.console.dashboards import HOME, PORT, make_state, opened_page
from tamias.console.dashboard.app import make_app
from tamias.console.dashboard.jobs import ShownJobs
from tamias.console.dashboard.security import Access, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.console.dashboards import Page


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with opened_page(make_state(tmp_path / "state"), allow=True) as page:
        yield page


@pytest.fixture
def stranger(page: Page) -> TestClient:
    """Another browser, which has no cookie."""
    return TestClient(page.client.app, base_url=HOME)


class TestToken:
    def test_the_token_gives_a_cookie_that_scripts_and_other_sites_do_not_get(
        self, page: Page, stranger: TestClient
    ) -> None:
        answer = stranger.get("/", params={"token": page.access.token})
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert page.access.token not in cookie
        assert page.access.token not in answer.text
        assert stranger.get("/api/jobs").status_code == 200

    @pytest.mark.parametrize("token", ["", "x", "é", "x" * 10_000])
    def test_a_wrong_token_gives_nothing(self, stranger: TestClient, token: str) -> None:
        answer = stranger.get("/", params={"token": token})
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers

    @pytest.mark.parametrize("path", ["/", "/api/jobs", "/api/session", "/assets/index.html"])
    def test_without_the_cookie_there_is_nothing(self, stranger: TestClient, path: str) -> None:
        assert stranger.get(path).status_code == 401

    def test_a_cookie_of_another_server_does_not_count(self, stranger: TestClient) -> None:
        stranger.cookies.set(f"tamias-{PORT}", "of an earlier life")
        assert stranger.get("/api/jobs").status_code == 401

    def test_the_token_does_not_open_the_api(self, page: Page, stranger: TestClient) -> None:
        assert stranger.get("/api/jobs", params={"token": page.access.token}).status_code == 401

    def test_two_servers_share_no_secret(self) -> None:
        first, second = Access(1), Access(1)
        secrets = {first.token, first.session, first.csrf, second.token, second.session}
        assert len(secrets) == 5


class TestHost:
    @pytest.mark.parametrize(
        "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:1", "", "[::1"]
    )
    def test_a_name_of_another_site_is_refused(self, page: Page, host: str) -> None:
        assert page.client.get("/api/jobs", headers={"Host": host}).status_code == 421

    @pytest.mark.parametrize("host", [f"localhost:{PORT}", f"LOCALHOST:{PORT}", f"[::1]:{PORT}"])
    def test_other_names_of_this_machine_are_right(self, page: Page, host: str) -> None:
        headers = {"Host": host, "Cookie": f"{page.access.cookie}={page.access.session}"}
        assert page.client.get("/api/jobs", headers=headers).status_code == 200

    def test_the_token_does_not_help_under_a_wrong_name(self, page: Page) -> None:
        query = {"token": page.access.token}
        answer = page.client.get("/", params=query, headers={"Host": "evil.example"})
        assert answer.status_code == 421
        assert "set-cookie" not in answer.headers

    def test_a_proxys_name_can_be_allowed(self, tmp_path: Path) -> None:
        access = Access(PORT, ("jobs.example",))
        app = make_app(ShownJobs([make_state(tmp_path / "s")]), access)
        client = TestClient(app, base_url="https://jobs.example")
        answer = client.get("/", params={"token": access.token})
        assert "Secure" in answer.headers["set-cookie"]
        headers = {"Origin": "https://jobs.example"}
        assert client.get("/api/jobs", headers=headers).status_code == 200


class TestOrigin:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "http://127.0.0.1:1"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ],
    )
    def test_pages_of_other_sites_get_nothing(self, page: Page, headers: dict[str, str]) -> None:
        answer = page.client.get("/api/jobs", headers=headers)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers

    def test_there_is_no_answer_to_a_preflight(self, page: Page) -> None:
        headers = {"Origin": HOME, "Access-Control-Request-Method": "POST"}
        answer = page.client.options("/api/jobs", headers=headers)
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control")]


class TestChanges:
    def test_a_change_from_the_page_is_made(self, page: Page) -> None:
        answer = page.post("0/scale", {"workers": 2})
        assert answer.status_code == 409  # the pool would do it; there is none
        assert "No launcher" in answer.json()["error"]["message"]

    @pytest.mark.parametrize("token", [None, "", "wrong"])
    def test_it_needs_what_only_the_page_knows(self, page: Page, token: str | None) -> None:
        headers = {} if token is None else {"X-CSRF-Token": token}
        answer = page.client.post("/api/0/scale", json={"workers": 2}, headers=headers)
        assert answer.status_code == 403

    def test_a_form_of_another_page_changes_nothing(self, page: Page) -> None:
        headers = {"X-CSRF-Token": page.access.csrf}
        answer = page.client.post("/api/0/scale", data={"workers": "2"}, headers=headers)
        assert answer.status_code == 415

    def test_a_huge_body_is_not_read(self, page: Page) -> None:
        assert page.post("0/scale", {"x": "x" * (2 << 20)}).status_code == 413

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE"])
    def test_other_methods_do_not_exist(self, page: Page, method: str) -> None:
        assert page.client.request(method, "/api/jobs").status_code == 405

    def test_nothing_is_changed_unless_the_server_allows_it(self, tmp_path: Path) -> None:
        with opened_page(make_state(tmp_path / "read-only")) as page:
            for path in ("scale", "reload", "workers/0/swap", "dead-letters/retry", "profile"):
                answer = page.post(f"0/{path}", {"workers": 1, "all": True})
                assert answer.status_code == 403
                assert "--allow-actions" in answer.json()["error"]["hint"]
            assert page.get("session")["actions"] is False


def test_all_answers_have_the_headers_that_browsers_heed(page: Page, stranger: TestClient) -> None:
    answers = [
        page.client.get("/"),
        page.client.get("/api/jobs"),
        page.client.get("/api/0/nothing"),
        page.client.get("/assets/nothing"),
        page.client.get("/api/jobs", headers={"Host": "evil.example"}),
        stranger.get("/"),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] in ("no-store", "no-cache")


@pytest.mark.parametrize("path", ["../security.py", "%2e%2e/security.py", "/etc/passwd", ""])
def test_only_files_of_the_page_are_served(page: Page, path: str) -> None:
    assert page.client.get(f"/assets/{path}").status_code == 404


def test_only_this_machine_reaches_loopback() -> None:
    local = {"127.0.0.1": True, "::1": True, "localhost": True, "127.1.2.3": True}
    assert {address: is_loopback(address) for address in local} == local
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.2", "example.org")))
