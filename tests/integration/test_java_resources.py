"""Java resources in pools: shared by workers, in durable calls, through the deaths of everyone."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from support.java.agents import Awaiting, Durable, Failing, OverPython, Talking
from support.java.settings import eventually, is_gone, java_settings, jvms, needs_java
from support.openai_server import OpenAIServer, openai_server
from tamias import AgentFailedError, AgentsExecutionEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tamias import Agent

pytestmark = needs_java


def outputs_of(agent: type[Agent], inputs: list[dict[str, Any]], **options: Any) -> list[Any]:
    env = AgentsExecutionEnvironment.get_execution_environment(**options)
    for key, value in java_settings().items():
        env.get_config().set_str(key, value)
    outputs = env.from_list(inputs).apply(agent).to_list()
    env.execute()
    return outputs


def keys(count: int, value: Any) -> list[dict[str, Any]]:
    return [{"key": n, "value": value} for n in range(count)]


def own_jvms() -> list[psutil.Process]:
    """Those that this test's pools have started: their class path has our trials."""
    return [jvm for jvm in jvms() if _is_own(jvm)]


def _is_own(jvm: psutil.Process) -> bool:
    try:
        return jvm.environ().get("TAMIAS_POOL", "").startswith(f"{os.getpid()}:")
    except psutil.Error:
        return False


def test_a_hundred_keys_await_at_once_in_the_one_jvm_of_two_workers() -> None:
    outputs = outputs_of(Awaiting, keys(100, "sleep 2000"), workers=2)
    assert len(outputs) == 100
    told = [output for each in outputs for output in each.values()]
    assert {each["said"] for each in told} == {"sleep 2000"}
    assert len({each["jvm"] for each in told}) == 1
    assert max(each["most"] for each in told) == 100
    assert eventually(lambda: not own_jvms())


def test_a_java_setup_over_resources_of_python() -> None:
    outputs = outputs_of(OverPython, keys(3, "hi"), workers=1)
    assert [list(each.values()) for each in outputs] == [[["user: Be kind. | user: hi", [3]]]] * 3


def test_a_jvm_out_of_memory_is_an_error_that_an_action_can_live_with() -> None:
    (output,) = outputs_of(Failing, keys(1, "x"), workers=1)
    told, said = output[0]
    assert "ran out of memory" in told
    assert said == "on"


def test_the_jvm_is_killed_again_and_again_under_durable_calls() -> None:
    inputs = [{"key": n % 10, "value": n} for n in range(600)]
    chance = random.Random(7)
    done = threading.Event()
    killed: list[int] = []

    def kill() -> None:
        while len(killed) < 2 and not done.wait(0.05):
            for jvm in own_jvms():
                done.wait(chance.uniform(1.0, 2.0))
                with suppress(psutil.NoSuchProcess):
                    jvm.kill()
                    killed.append(jvm.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        outputs = outputs_of(Durable, inputs, workers=2, max_attempts=50)
    finally:
        done.set()
        killer.join()
    assert killed
    expected = [{n % 10: [n // 10 + 1, f"{n}", f"sleep {20 + n % 7}"]} for n in range(600)]
    assert outputs == expected


SCRIPT = """
import sys
from support.java.settings import java_settings
from support.java.agents import Awaiting
from tamias import AgentsExecutionEnvironment
env = AgentsExecutionEnvironment.get_execution_environment(workers=2, start_method=sys.argv[1])
for key, value in java_settings().items():
    env.get_config().set_str(key, value)
env.from_list([{"key": n, "value": "sleep 60000"} for n in range(8)]).apply(Awaiting).to_list()
env.execute()
"""


@pytest.mark.parametrize("whom", ["launcher", "workers"])
def test_nothing_outlives_a_killed_pool(whom: str) -> None:
    launcher = psutil.Popen(
        [sys.executable, "-c", SCRIPT, "zygote"], env={**os.environ, "PYTHONPATH": "tests"}
    )

    def of_this_pool() -> list[psutil.Process]:
        return [each for each in jvms() if _pool(each).startswith(f"{launcher.pid}:")]

    try:
        assert eventually(lambda: bool(of_this_pool()))
        (jvm,) = of_this_pool()
        host = jvm.parent()
        assert host is not None
        if whom == "workers":
            # One dies: its successor finds the JVM that is there.
            worker = next(
                each
                for each in launcher.children(recursive=True)
                if each.name().startswith("tamias worker") or "tamias worker" in _title(each)
            )
            worker.kill()
            time.sleep(1.0)
            assert of_this_pool() == [jvm]
        launcher.kill()
        launcher.wait()
        assert eventually(lambda: is_gone(jvm) and is_gone(host))
    finally:
        if launcher.is_running():
            launcher.kill()
            launcher.wait()


def _pool(jvm: psutil.Process) -> str:
    try:
        return jvm.environ().get("TAMIAS_POOL", "")
    except psutil.Error:
        return ""


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with openai_server() as server:
        monkeypatch.setenv("TALKING_URL", server.url)
        yield server


def test_the_openai_model_of_flink_agents_with_tools(service: OpenAIServer) -> None:
    inputs = [{"key": n, "value": f"{n}+{n + 1}"} for n in range(6)]
    outputs = outputs_of(Talking, inputs, workers=2)
    assert outputs == [{n: f"It is {2 * n + 1}, of call-{n}-{n + 1}."} for n in range(6)]
    assert len(service.requests_seen) == 12
    first = next(each for each in service.requests_seen if each["messages"][-1]["role"] == "user")
    assert first["path"] == "/v1/chat/completions"
    assert first["key"] == "Bearer secret"
    assert first["model"] == "gpt-test"
    assert first["temperature"] == 0.25
    assert first["messages"][0]["content"] == "Use tools."
    (tool,) = first["tools"]
    assert tool["function"]["name"] == "add"
    assert tool["function"]["description"] == "Add two numbers."
    assert tool["function"]["parameters"]["properties"]["a"]["type"] == "integer"
    second = next(each for each in service.requests_seen if each["messages"][-1]["role"] == "tool")
    call = second["messages"][-2]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]).keys() == {"a", "b"}


def test_what_the_service_refuses_is_the_users_error(service: OpenAIServer) -> None:
    with pytest.raises(AgentFailedError, match=r"Failed to call OpenAI.*broken"):
        outputs_of(Talking, [{"key": 1, "value": "break"}], workers=1)
