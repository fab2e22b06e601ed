"""The public face: one import, quick, and nothing heavy behind it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tamias


def test_every_public_name_is_there_and_sorted_out() -> None:
    assert len(set(tamias.__all__)) == len(tamias.__all__)
    for name in tamias.__all__:
        assert getattr(tamias, name).__doc__ or name.isupper(), name


def test_the_names_that_flink_agents_users_know() -> None:
    known = """Agent action tool prompt chat_model_connection chat_model_setup
        embedding_model_connection embedding_model_setup vector_store mcp_server
        Event InputEvent OutputEvent RunnerContext MemoryObject MemoryRef MemoryType
        Resource ResourceType ResourceDescriptor SerializableResource Prompt Tool
        AgentsExecutionEnvironment AgentBuilder ConfigOption Configuration
        AgentExecutionOptions MetricGroup Counter Meter Gauge Histogram"""
    assert set(known.split()) <= set(tamias.__all__)


def test_what_a_context_can_do() -> None:
    asked = """key send_event sensory_memory short_term_memory long_term_memory
        durable_execute durable_execute_async
        get_resource action_config get_action_config_value config agent_metric_group
        action_metric_group now sleep schedule cancel wait_for close"""
    assert set(asked.split()) == tamias.RunnerContext.__abstractmethods__


@pytest.mark.process
def test_importing_tamias_imports_nothing_that_agents_do_not_need() -> None:
    heavy = "zmq lmdb psutil cloudpickle yaml typer rich numpy multiprocessing asyncio orjson"
    code = f"import sys, tamias; print(*set({heavy.split()}).intersection(sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert found.stdout.split() == []
