"""Documents with agents: what they mean, and what is said of mistakes in them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from tamias import (
    Agent,
    AgentDefinitionError,
    AgentPlan,
    ResourceDescriptor,
    ResourceType,
    run_agent,
)
from tamias.agent.chat.react import ReActAgent
from tamias.agent.tools.injection import InjectedArg
from tamias.agent.yaml_agents.aliases import class_names
from tamias.agent.yaml_agents.building import BuiltAgents, build
from tamias.agent.yaml_agents.reading import read_document
from tamias.agent.yaml_agents.specs import json_schema
from tamias.agent.yaml_agents.variables import EnvironmentText

NOT_YET: set[str] = set()
"""Classes of which there is only the short name."""
DOCS = Path(__file__).parents[4] / "docs"
FULL = """
config:
  call-attempts: 5
  EchoSetup: {model: from-settings}
limits:
  server: {requests-per-minute: 600}
prices: {small: {input: 0.15, output: 0.6}}
chat_model_connections:
  - {name: server, clazz: yaml_targets.EchoConnection, base_url: "${URL}/v1", api_key: "${KEY}"}
actions:
  - {name: increment, function: "yaml_targets:increment", listen_to: [input], config: {by: 3}}
agents:
  - name: asks
    description: Asks a model.
    actions:
      - {name: ask, function: "yaml_targets:ask", trigger_conditions: [input]}
    chat_model_setups:
      - {name: model, clazz: yaml_targets.EchoSetup, connection: server, prompt: p, tools: [add]}
    prompts:
      - {name: p, messages: [{role: system, content: "Be ${kind}."}, {content: "Q: {input}"}]}
    tools:
      - {name: add, function: "yaml_targets:add"}
  - name: counts
    actions:
      - increment
      - {name: double, function: "yaml_targets:Actions.double", listen_to: [input]}
"""
VARIABLES = {"URL": "http://here", "KEY": "secret", "EMPTY": ""}


@pytest.fixture(autouse=True)
def _targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)


def built(*texts: str, is_complete: bool = True) -> BuiltAgents:
    documents = [
        read_document(text, f"agents{number or ''}.yaml", VARIABLES)
        for number, text in enumerate(texts)
    ]
    return build(documents, is_complete=is_complete)


def mistakes(*texts: str, is_complete: bool = True) -> str:
    with pytest.raises(AgentDefinitionError) as caught:
        built(*texts, is_complete=is_complete)
    return str(caught.value)


# -- what documents mean ---------------------------------------------------------------------------


def test_agents_run_with_their_own_and_shared_parts() -> None:
    agents = built(FULL).complete_agents()
    assert run_agent(agents["counts"], [("k", 5)]).outputs == [{"k": 8}, {"k": 10}]
    answer = "Be ${kind}.|Q: 7 from http://here/v1 secret small ['add']"
    assert run_agent(agents["asks"], [("k", 7)]).outputs == [{"k": answer}]


def test_settings_are_those_of_a_configuration() -> None:
    assert built(FULL).settings == {
        "call-attempts": 5,
        "EchoSetup.model": "from-settings",
        "limits.server.requests-per-minute": 600,
        "prices.small.input": 0.15,
        "prices.small.output": 0.6,
    }


def test_an_agent_is_named_after_its_document() -> None:
    agents = built(FULL).complete_agents()
    assert AgentPlan.compile(agents["counts"]).name == "agents:counts"
    assert AgentPlan.compile(pickle.loads(pickle.dumps(agents["asks"]))).name == "agents:asks"


def test_documents_share_with_each_other_whatever_their_order() -> None:
    agents = "agents: [{name: a, actions: [increment]}]"
    shared = FULL.partition("agents:\n")[0]
    both = built(agents, shared).complete_agents()
    assert list(both["a"].actions) == ["increment"]
    assert list(both["a"].resources[ResourceType.CHAT_MODEL_CONNECTION]) == ["server"]


def test_an_agents_own_resource_is_preferred_to_a_shared_one() -> None:
    text = """
prompts: [{name: p, text: shared}, {name: q, text: shared}]
agents:
  - {name: a, prompts: [{name: p, text: own}]}
"""
    prompts = built(text).complete_agents()["a"].resources[ResourceType.PROMPT]
    assert [prompts[name].format_string() for name in "pq"] == ["own", "shared"]


@pytest.mark.parametrize(
    ("listened", "meant"),
    [
        ("input", "_input_event"),
        ("chat_response", "_chat_response_event"),
        ("context_retrieval_request", "_context_retrieval_request_event"),
        ("order", "order"),
    ],
)
def test_events_have_short_names(listened: str, meant: str) -> None:
    action = f'{{name: a, function: "yaml_targets:increment", listen_to: [{listened}]}}'
    agent = built(f"agents: [{{name: x, actions: [{action}]}}]").agents["x"]
    assert agent.actions["a"][0] == [meant]


def test_an_action_may_have_a_condition() -> None:
    condition = '"type == EventType.InputEvent && input > 3"'
    action = f'{{name: a, function: "yaml_targets:increment", trigger_conditions: [{condition}]}}'
    agent = built(f"agents: [{{name: x, actions: [{action}]}}]").agents["x"]
    assert run_agent(agent, [("k", 1), ("k", 5)]).outputs == [{"k": 6}]


def test_resources_of_java_are_wrapped() -> None:
    text = """
chat_model_connections: [{name: c, clazz: ollama, type: java, endpoint: there}]
tools:
  - {name: t, type: java, function: "com.example.Tools:add", parameter_types: [int, int]}
"""
    resources = built(text, is_complete=False).resources
    assert resources[ResourceType.CHAT_MODEL_CONNECTION]["c"] == ResourceDescriptor(
        clazz="tamias.JavaChatModelConnection",
        endpoint="there",
        java_clazz="org.apache.flink.agents.integrations.chatmodels.ollama"
        ".OllamaChatModelConnection",
    )
    assert resources[ResourceType.TOOL]["t"] == ResourceDescriptor(
        clazz="tamias.JavaTool", java_clazz="com.example.Tools", java_method="add"
    )


# -- environment variables -------------------------------------------------------------------------


def connection(**arguments: str) -> dict[str, Any]:
    given = ", ".join(f'{name}: "{value}"' for name, value in arguments.items())
    text = f"chat_model_connections: [{{name: c, clazz: x.Y, {given}}}]"
    resources = built(text, is_complete=False).resources
    arguments_: dict[str, Any] = resources[ResourceType.CHAT_MODEL_CONNECTION]["c"].arguments
    return arguments_


def test_variables_are_filled_in() -> None:
    given = connection(a="${URL}", b="x${KEY}y${KEY}", c="${NONE:-d}", d="$${KEY}", e="$KEY")
    assert given == {
        "a": "http://here",
        "b": "xsecretysecret",
        "c": "d",
        "d": "${KEY}",
        "e": "$KEY",
    }
    assert connection(a="${EMPTY}", b="${EMPTY:-d}") == {"a": "", "b": "d"}


def test_what_a_variable_holds_is_not_shown() -> None:
    given = connection(api_key="Bearer ${KEY}")
    assert isinstance(given["api_key"], EnvironmentText)
    assert repr(given) == "{'api_key': 'Bearer ${KEY}'}"
    again = pickle.loads(pickle.dumps(given))
    assert again == {"api_key": "Bearer secret"}
    assert "secret" not in repr(again)


def test_a_missing_variable_is_named_with_its_place() -> None:
    text = """chat_model_connections:
  - name: c
    clazz: x.Y
    headers: {auth: ["${NONE}"]}
    url: ${bad name}
"""
    assert mistakes(text, is_complete=False) == (
        "There are 2 mistakes:\n"
        "  agents.yaml:4:22: chat_model_connections[0].headers.auth[0]: the environment variable"
        " NONE is not set\n"
        "  agents.yaml:5:5: chat_model_connections[0].url: '${bad name}' names no environment"
        " variable; write ${NAME}, or $${"
    )


# -- mistakes --------------------------------------------------------------------------------------


def test_a_resource_with_a_mistake_is_reported_once_and_not_as_missing() -> None:
    text = """
agents:
  - name: a
    react: {chat_model: judge}
    chat_model_connections: [{name: service, clazz: opnai}]
    chat_model_setups: [{name: judge, clazz: openai, connection: service, model: m, tools: [t]}]
    tools: [{name: t, function: "yaml_targets:missing"}]
"""
    said = mistakes(text)
    assert "There are 2 mistakes" in said
    assert "there is no class 'opnai'" in said
    assert "yaml_targets has no 'missing'" in said


ACTION = 'function: "yaml_targets:increment", listen_to: [input]'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "agents.yaml:1:1: a document has `agents:`"),
        ("- a", "agents.yaml:1:1: a document has `agents:`"),
        ("agents:\n  - name: [a", "agents.yaml, line 2: this is not YAML"),
        ("agent: []", "agents.yaml:1:1: agent: there is no such key (did you mean agents?); there"),
        ("agents:\n- nam: x", "2:3: agents[0].nam: there is no such key (did you mean name?)"),
        ("agents:\n- nam: x", "2:3: agents[0]: it needs name"),
        ("agents: [3]", "1:10: agents[0]: it should be a"),
        ("agents:\n- name: 3", "2:3: agents[0].name: it should be a valid string"),
        ("agents: [{name: a}]\nagents: []", "2:1: agents: written twice"),
        ("agents: [{name: a},\n {name: a}]", "2:2: agents[1]: there is another 'a' in agents"),
        (f"actions: [{{name: a, functoin: x, {ACTION}}}]", "did you mean function?"),
        ('actions: [{name: a, function: "m:f"}]', "an action needs trigger_conditions (or listen"),
        ('actions: [{name: a, function: "m:f", listen_to: []}]', "should have at least 1 item"),
        ("actions: [{name: a, function: m.f, listen_to: [input]}]", "is written module:name or"),
        ("actions: [{name: a, listen_to: [input]}]", "1:11: actions[0]: it needs function"),
        ((f"actions: [{{name: a, {ACTION}, retry: {{tries: 3}}}}]\nagents: [{{name: x, actions:"
         " [a]}]"), "agents[0].actions[0]: "),
        ("agents: [{name: a, actions: [b]}]", "actions[0]: there is no shared action 'b'"),
        (('agents: [{name: a, actions: [{name: x, function: "yaml_targets:increment",'
         ' trigger_conditions: ["input >"]}]}]'), "1:30: agents[0].actions[0]: Action 'x'"),
        ("prompts: [{name: p}]", "prompts[0]: a prompt has either a text or messages"),
        ("prompts: [{name: p, text: ''}]", "prompts[0]: a prompt has either a text or messages"),
        ("prompts: [{name: p, messages: [{role: usr, content: x}]}]", "should be 'system', 'user'"),
        ('tools: [{name: t, function: "yaml_targets:ad"}]', "no 'ad' (did you mean add?)"),
        ('tools: [{name: t, function: "yaml_targets:add", parameter_types: []}]', "tools in Java"),
        ('tools: [{name: t, function: "nowhere:f"}]', "there is no module nowhere;"),
        ('tools: [{name: t, function: "yaml_targets.py:add"}]', "its module: yaml_targets:add"),
        ('tools: [{name: t, function: "yaml_targets:__name__"}]', "is str, not a function"),
        ('actions: [{name: a, type: java, function: "m:f", listen_to: [input]}]', "Flink Agents"),
        ("chat_model_connections: [{name: c}]", "chat_model_connections[0]: it needs clazz"),
        ("chat_model_connections: [{name: c, clazz: opanai}]", "(did you mean openai?); write a"),
        ("chat_model_connections: [{name: c, clazz: bedrock}]", "bedrock needs `type: java`"),
        ("chat_model_connections: [{name: c, clazz: ollama, type: go}]", "'python' or 'java'"),
        ("mcp_servers: [{name: m, type: java}]", "a mcp_server cannot be one of Java"),
        ("chat_model_connections: [{name: c, clazz: yaml_targets.Gone}]", "cannot be imported"),
        ("chat_model_setups: [{name: c, clazz: yaml_targets.EchoConnection}]",
         "EchoConnection is a chat_model_connection, and this is a chat_model"),
        ("chat_model_connections: [{name: c, clazz: yaml_targets.EchoConnection, basurl: x}]",
         ("chat_model_connections[0].basurl: EchoConnection has no such argument (did you mean"
         " base_url?); there are: api_key, base_url")),
        ("chat_model_setups: [{name: s, clazz: yaml_targets.EchoSetup, connection: c}]",
         "chat_model_setups[0].connection: there is no chat_model_connection 'c'"),
        (("prompts: [{name: pot, text: x}]\nchat_model_connections: [{name: c, clazz: "
         "yaml_targets.EchoConnection}]\nchat_model_setups: [{name: s, clazz: "
         "yaml_targets.EchoSetup, connection: c, prompt: pto}]"), "(did you mean pot?)"),
        ("config: {call-atempts: 3}", "config.call-atempts: There is no setting 'call-atempts'"),
        ("config:\n  durability: no", "2:3: config.durability: "),
        ("config: [a]", "config: it should be a valid dictionary"),
        ("skills: [{name: s}]", "skills need at least one of paths"),
        ("config: &a\n  b: *a", "contain"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_place(text: str, said: str) -> None:
    assert said in mistakes(text)


def test_all_mistakes_are_reported_at_once_in_their_order() -> None:
    text = """agents:
  - name: a
    actions:
      - {name: x, function: "yaml_targets:one_parameter", listen_to: [input]}
      - {name: y, function: "yaml_targets:Action.double", listen_to: [input]}
    chat_model_connections:
      - {name: c, clazz: opanai}
"""
    lines = mistakes(text).splitlines()
    assert lines[0] == "There are 3 mistakes:"
    assert lines[1].startswith("  agents.yaml:4:9: agents[0].actions[0]: The action 'x' takes (ev")
    assert "yaml_targets has no 'Action.double' (did you mean Actions?)" in lines[2]
    assert lines[3].startswith("  agents.yaml:7:19: agents[0].chat_model_connections[0].clazz")


def test_a_module_that_fails_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "broken_targets.py").write_text("x = 1\ny = 1 / 0\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        said = mistakes('tools: [{name: t, function: "broken_targets:f"}]')
    assert "broken_targets cannot be imported: ZeroDivisionError" in said
    assert "broken_targets.py, line 2" in said


def test_what_other_files_may_have_is_not_missed_before_they_are_read() -> None:
    text = "chat_model_setups: [{name: s, clazz: ollama, connection: elsewhere}]"
    assert built(text, is_complete=False).resources[ResourceType.CHAT_MODEL]["s"].arguments == {
        "connection": "elsewhere"
    }


def test_agents_of_two_documents_need_two_names() -> None:
    said = mistakes("agents: [{name: a}]", "agents: [{name: a}]")
    assert said == "agents1.yaml:1:10: agents[0]: there is another agent 'a'."


def test_the_schema_in_the_documentation_is_that_of_the_format() -> None:
    """If it is not: tamias schema > docs/agents.schema.json."""
    assert (DOCS / "agents.schema.json").read_text(encoding="utf-8") == json_schema()


def test_an_agent_that_is_loaded_is_an_agent() -> None:
    assert isinstance(built("agents: [{name: a}]").agents["a"], Agent)


# -- agents without functions ----------------------------------------------------------------------

REACT = """
chat_model_connections: [{name: c, clazz: yaml_targets.EchoConnection}]
chat_model_setups: [{name: model, clazz: yaml_targets.EchoSetup, connection: c}]
prompts: [{name: p, text: "Q: {input}"}]
agents: [{name: a, react: {chat_model: model, prompt: p, %s}}]
"""


@pytest.mark.parametrize(
    "schema",
    ["", "output_schema: 'yaml_targets:Answer'", "output_schema: {type: object}"],
)
def test_an_agent_without_actions_is_a_react_agent(schema: str) -> None:
    agent = built(REACT % schema).complete_agents()["a"]
    assert isinstance(agent, ReActAgent)
    AgentPlan.compile(agent).check_handles_input()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{chat_model: modl}", "agents[0].react.chat_model: there is no chat_model 'modl' (did"),
        ("{chat_model: model, prompt: q}", "agents[0].react.prompt: there is no prompt 'q'"),
        ("{prompt: p}", "agents[0].react: it needs chat_model"),
        ("{chat_model: model, output_schema: 'm:X'}", "react.output_schema: there is no module m"),
        ("{chat_model: model, shape: x}", "react.shape: there is no such key; there are: chat_mo"),
    ],
)
def test_mistakes_of_a_react_agent(given: str, said: str) -> None:
    assert said in mistakes(REACT.partition("{chat_model")[0] + given + "}]")


def test_short_names_stand_for_classes_of_their_type() -> None:
    for kind in ResourceType:
        for name, clazz in class_names(kind).items():
            if clazz.rpartition(".")[2] in NOT_YET:
                continue
            assert ResourceDescriptor(clazz=clazz).clazz.resource_type() is kind, name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("limits:\n  c: {requests-per-minut: 1}", "2:7: limits.c.requests-per-minut: There is no"),
        ("limits:\n  c: {budget: much}", "2:7: limits.c.budget: The setting"),
        ("limits: 3", "1:1: limits: it should be a valid dictionary"),
        ("limits: {c: 3}", "1:10: limits.c: "),
        ("prices:\n  gpt-4.1: {input: 1, output: x}", "2:23: prices.gpt-4.1.output: The setting"),
        ("prices:\n  gpt-4.1: {inputt: 1}", "2:13: prices.gpt-4.1.inputt: There is no"),
        ("prices:\n  gpt-4.1: {input: 1}", "2:3: prices.gpt-4.1: The prices of"),
    ],
)
def test_mistakes_in_limits_are_reported_with_their_place(text: str, said: str) -> None:
    assert said in mistakes(text)
    settings = read_document(text, "agents.yaml", {}).settings
    assert not [key for key in settings if key.endswith(("minut", "budget", "inputt"))]


def test_a_budget_of_money_may_have_its_prices_elsewhere() -> None:
    assert built("limits: {c: {budget: 5.0}}").settings == {"limits.c.budget": 5.0}


def test_a_tool_has_the_name_that_the_document_gives_it() -> None:
    text = 'tools: [{name: sum_up, function: "yaml_targets:add"}]'
    tool = built(text).resources[ResourceType.TOOL]["sum_up"]
    assert (tool.name, tool.description) == ("sum_up", "Add two numbers.")
    assert tool.call(a=1, b=2) == 3
    again = pickle.loads(pickle.dumps(tool))
    assert (again.name, again.parameters) == ("sum_up", tool.parameters)


def test_a_tool_without_types_is_a_mistake_of_the_document() -> None:
    said = mistakes('tools: [{name: t, function: "yaml_targets:anything"}]')
    assert said.startswith("agents.yaml:1:9: tools[0]: ")


def test_a_document_says_how_a_tool_is_called() -> None:
    text = """
tools:
  - name: t
    function: "yaml_targets:of_tenant"
    description: Finds what a tenant has.
    approval: "yaml_targets:is_large"
    approval_timeout: 1h
    timeout: 5
    retry: 3
    idempotent: false
    limit: service
    injected_args: {tenant: {source: CONFIG, key: tenant.id}}
"""
    tool = built(text).resources[ResourceType.TOOL]["t"]
    settings = tool.call_settings
    assert tool.description == "Finds what a tenant has."
    assert list(tool.parameters["properties"]) == ["amount"]
    assert settings.approval({"amount": 5}, None) is True
    assert (settings.approval_timeout, settings.timeout) == (3600, 5)
    assert (settings.retry.attempts, settings.idempotent, settings.limit) == (3, False, "service")
    assert settings.injected_args == {"tenant": InjectedArg.from_config("tenant.id")}


def test_what_the_document_does_not_say_of_a_tool_is_as_declared_in_python() -> None:
    text = 'tools: [{name: t, function: "yaml_targets:marked", timeout: 7}]'
    settings = built(text).resources[ResourceType.TOOL]["t"].call_settings
    assert (settings.approval, settings.timeout) == (True, 7)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("timeout: -1", "tools[0].timeout"),
        ("timeout: soon", "tools[0]: 'timeout' of a tool is 'soon'"),
        ("approval: 'yaml_targets:none'", "has no 'none'"),
        ("retry: {attemps: 3}", "tools[0]: "),
        ("injected_args: {amount: {source: nowhere}}", "should be 'config', 'sensory_memory'"),
        ("injected_args: {other: {key: a}}", "tools[0]: "),
        ("aproval: true", "(did you mean approval?)"),
        ("type: java, approval: true", "a tool in Java cannot have approval"),
    ],
)
def test_mistakes_in_how_a_tool_is_called(given: str, said: str) -> None:
    text = f'tools: [{{name: t, function: "yaml_targets:of_tenant", {given}}}]'
    assert said in mistakes(text)


def test_skills_come_from_folders_and_packages() -> None:
    text = "skills: [{name: s, paths: [mine], package: [{package: p, resource: r}]}]"
    skills = built(text).resources[ResourceType.SKILLS]["s"]
    assert skills.clazz.resource_type() is ResourceType.SKILLS
    assert {"package": "p", "resource": "r"} in skills.arguments["sources"]
    assert "[0].classpath: skills of Java" in mistakes("skills: [{name: s, classpath: [a]}]")
