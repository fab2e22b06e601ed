"""The HTTP clients below the client libraries: pools, proxies, TLS, loops and forks."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import httpx
import httpx2
import pytest

from support.loops import on_loop
from support.providers.script import Ask, Reply
from support.providers.server import FakeProviders, fake_providers
from tamias import ChatMessage, MessageRole, OpenAIChatModelConnection
from tamias.models.shared import http
from tamias.models.shared.clients import Clients, Opened, OpenedSync

HELLO = [ChatMessage(role=MessageRole.USER, content="hello")]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def connection(fake: FakeProviders, **more: Any) -> OpenAIChatModelConnection:
    return OpenAIChatModelConnection(api_key="k", api_base_url=fake.openai_url, **more)


@on_loop
async def test_calls_at_once_have_a_connection_each_and_share_them_later() -> None:
    with fake_providers(lambda _: Reply("Hi.")) as fake:
        fake.connections.together = 60
        service = connection(fake)
        for _ in range(3):
            answers = await asyncio.gather(*(service.achat(HELLO, model="m") for _ in range(60)))
            assert {answer.content for answer in answers} == {"Hi."}
        assert fake.connections.opened == 60
        await service.aclose()
        await until(lambda: fake.connections.now == 0)


@on_loop
async def test_connections_of_busier_times_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_KEEP_SECONDS", 0.05)
    with fake_providers(lambda _: Reply("Hi.")) as fake:
        fake.connections.together = 30
        service = connection(fake)
        await asyncio.gather(*(service.achat(HELLO, model="m") for _ in range(30)))
        assert fake.connections.now == 30
        fake.connections.together = 0
        await asyncio.sleep(0.2)
        await service.achat(HELLO, model="m")
        await until(lambda: fake.connections.now <= 4)
        await service.aclose()


@on_loop
async def test_a_client_for_each_call_on_demand() -> None:
    with fake_providers() as fake:
        service = connection(fake, reuse_client=False)
        for _ in range(2):
            await service.achat(HELLO, model="m")
            service.chat(HELLO, model="m")
            assert [d.text async for d in service.astream(HELLO, model="m")][:2] == [
                "You",
                " said:",
            ]
        assert fake.connections.opened == 6
        await until(lambda: fake.connections.now == 0)


@on_loop
async def test_calls_that_are_cancelled_leave_nothing_behind() -> None:
    def slow(ask: Ask) -> Reply:
        return Reply("one two", delay=0 if ask.stream else 9, pause=9)

    with fake_providers(slow) as fake:
        service = connection(fake)

        async def stream() -> None:
            async for _ in service.astream(HELLO, model="m"):
                pass

        calls = [asyncio.ensure_future(service.achat(HELLO, model="m")) for _ in range(10)]
        streams = [asyncio.ensure_future(stream()) for _ in range(10)]
        await until(lambda: fake.connections.now == 20)
        await asyncio.sleep(0.1)
        for task in (*calls, *streams):
            task.cancel()
        await asyncio.gather(*calls, *streams, return_exceptions=True)
        lanes = service._service()._clients.on_loop()._client._transport
        assert sum(lane.load for lane in lanes._all) == 0
        fake.script = lambda _: Reply("Hi.")
        assert (await service.achat(HELLO, model="m")).content == "Hi."
        await service.aclose()
        await until(lambda: fake.connections.now == 0)


async def until(happens: Any) -> None:
    for _ in range(6000):
        if happens():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it has not happened")


def test_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_providers() as fake:
        monkeypatch.setenv("HTTP_PROXY", fake.url)
        service = OpenAIChatModelConnection(api_key="k", api_base_url="http://models.test/v1")
        assert service.chat(HELLO, model="m").content == "You said: hello"
        assert fake.asked[0].headers["host"] == "models.test"
        service.close()
        monkeypatch.setenv("NO_PROXY", "models.test")
        service = OpenAIChatModelConnection(api_key="k", api_base_url="http://models.test/v1")
        with pytest.raises(Exception, match=r"cannot be reached at http://models\.test/v1"):
            service.chat(HELLO, model="m")
        service.close()


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_tls_has_one_context_and_only_where_there_is_tls(library: Any) -> None:
    def context(url: str) -> Any:
        return http._options(library, http.HttpSettings(url))["verify"]

    assert context("https://a.test/v1") is context("https://b.test/v1")
    plain = context("http://a.test/v1")
    assert plain is context("http://b.test")
    assert plain.cert_store_stats()["x509"] == 0
    assert plain.check_hostname


def test_one_client_for_each_loop_and_none_of_the_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def open_async() -> Opened[str]:
        name = f"client {len(made)}"
        made.append(name)

        async def aclose() -> None:
            made.append(f"closed {name}")

        return Opened(name, aclose)

    clients: Clients[str, str] = Clients(
        open_async, lambda: OpenedSync("sync", lambda: made.append("closed sync"))
    )

    async def twice() -> str:
        assert clients.on_loop() is clients.on_loop()
        return clients.on_loop()

    assert asyncio.run(twice()) != asyncio.run(twice())
    assert clients.blocking() == "sync"
    parent = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    assert asyncio.run(twice()) == "client 2"
    clients.close()  # nothing of the parent's is closed here
    assert made == ["client 0", "client 1", "client 2"]

    async def close() -> None:
        clients.on_loop()
        await clients.aclose()

    asyncio.run(close())
    assert made[3:] == ["client 3", "closed client 3"]
