"""The options of Flink Agents, by their keys: tamias has them, or accepts them without use."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from support.house.pages import table_under
from tamias import Configuration
from tamias.agent.config.options import KNOWN_OPTIONS
from tamias.flink_agents.differences import KEYS, differences_in

ALL = """
    error-handling-strategy max-retries num-async-threads chat.async tool-call.async rag.async
    baseLogDir prettyPrint actionStateStoreBackend kafkaBootstrapServers kafkaActionStateTopic
    kafkaActionStateTopicNumPartitions kafkaActionStateTopicReplicationFactor job-identifier
""".split()
ONLY_02 = """
    long-term-memory.backend long-term-memory.external-vector-store-name
    long-term-memory.async-compaction long-term-memory.async-compaction.thread-count
""".split()
SINCE_03 = """
    retry-wait-interval short-term-memory.state-ttl.ms short-term-memory.state-ttl.update-type
    short-term-memory.state-ttl.visibility eventLoggerType flussBootstrapServers
    flussActionStateDatabase flussActionStateTable flussActionStateTableBuckets
    flussSecurityProtocol flussSaslMechanism flussSaslJaasConfig flussSaslUsername
    flussSaslPassword event-log.level event-log.standard.max-string-length
    event-log.standard.max-array-elements event-log.standard.max-depth event-listeners
    long-term-memory.mem0.chat-model-setup long-term-memory.mem0.embedding-model-setup
    long-term-memory.mem0.vector-store
""".split()
SINCE_04 = """
    agent-run.begin-event memory.generate-event memory.generate-event.short-term-write
    memory.generate-event.short-term-read memory.generate-event.sensory-write
    memory.generate-event.sensory-read memory.generate-event.long-term-update
    memory.generate-event.long-term-get memory.generate-event.long-term-search
    action.trigger-condition.evaluate-failure-strategy event-log.trace.enabled
""".split()
KEYS_BY_VERSION = {
    "0.2": [*ALL, *ONLY_02],
    "0.3": [*ALL, *SINCE_03],
    "0.4": [*ALL, *SINCE_03, *SINCE_04],
}
EVERY_KEY = [*ALL, *ONLY_02, *SINCE_03, *SINCE_04]


def _without_use(key: str) -> bool:
    return any(key.startswith(beginning) for beginning in KEYS)


@pytest.mark.parametrize("version", KEYS_BY_VERSION)
def test_each_key_of_a_version_is_accepted(version: str, tmp_path: Path) -> None:
    lines = [f"{key}: null" for key in KEYS_BY_VERSION[version]]
    file = tmp_path / "config.yaml"
    file.write_text("agent:\n" + "".join(f"  {line}\n" for line in lines))
    Configuration.from_file(file)
    configuration = Configuration()
    for key in KEYS_BY_VERSION[version]:
        if key not in KNOWN_OPTIONS:
            configuration.set_str(key, "text")
            assert configuration.get_str(key) == "text"


@pytest.mark.parametrize("key", EVERY_KEY)
def test_each_key_is_known_or_said_to_be_without_use(key: str) -> None:
    assert (key in KNOWN_OPTIONS) != _without_use(key)


def test_the_page_has_each_key() -> None:
    rows = table_under("docs/from-flink-agents.md", "## Options")
    told = [key.strip("` ") for row in rows for key in row[0].split(",")]
    beginnings = [each.removesuffix("...") for each in told if each.endswith("...")]
    lost = [
        key
        for key in EVERY_KEY
        if key not in told and not any(key.startswith(each) for each in beginnings)
    ]
    assert lost == []


def test_options_without_use_are_seen_in_a_program() -> None:
    program = """
config.set(AgentConfigOptions.KAFKA_ACTION_STATE_TOPIC, "x")
config.set(options.AgentConfigOptions.EVENT_LOG_TRACE_ENABLED, True)
config.set_str("prettyPrint", "x")
config.set(Mine.KAFKA_X, 1)
config.set(AgentConfigOptions.EVENT_LOG_LEVEL, 1)
"""
    found = [(each.line, each.name) for each in differences_in(ast.parse(program))]
    assert found == [
        (2, "KAFKA_ACTION_STATE_TOPIC"),
        (3, "EVENT_LOG_TRACE_ENABLED"),
        (4, "prettyPrint"),
    ]
