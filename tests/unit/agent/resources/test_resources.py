"""Resources: created once per worker, from wherever they were declared, closed in reverse order."""

from __future__ import annotations

import logging
import pickle
import threading
from typing import Any, ClassVar

import cloudpickle
import pytest
from pydantic import Field, ValidationError

from tamias import (
    Agent,
    AgentDefinitionError,
    AgentPlan,
    Configuration,
    Prompt,
    Resource,
    ResourceContext,
    ResourceDescriptor,
    ResourceNotFoundError,
    ResourceType,
    RunError,
    chat_model_connection,
    chat_model_setup,
    embedding_model_connection,
    embedding_model_setup,
    mcp_server,
    vector_store,
)
from tamias.agent.resources.provider import provider_of
from tamias.agent.resources.registry import ResourceRegistry

CONNECTION = ResourceType.CHAT_MODEL_CONNECTION
MODEL = ResourceType.CHAT_MODEL


class Logged(Resource):
    """Notes its creation and its end."""

    log: ClassVar[list[str]] = []
    name: str = "?"

    def model_post_init(self, _context: object) -> None:
        self.log.append(f"+{self.name}")

    def close(self) -> None:
        self.log.append(f"-{self.name}")


class Connection(Logged):
    url: str = "http://default"
    headers: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def resource_type(cls) -> ResourceType:
        return CONNECTION


class Model(Logged):
    connection: str
    temperature: float = 1.0

    @classmethod
    def resource_type(cls) -> ResourceType:
        return MODEL

    def model_post_init(self, _context: object) -> None:
        # Asks for what it needs while it is being created.
        assert self.get_resource is not None
        self.get_resource(self.connection, CONNECTION)
        super().model_post_init(_context)


class Other(Model):
    """Asks for another model."""

    def model_post_init(self, _context: object) -> None:
        assert self.get_resource is not None
        self.get_resource(self.connection, MODEL)


@pytest.fixture(autouse=True)
def log() -> list[str]:
    Logged.log.clear()
    return Logged.log


class Modelled(Agent):
    calls = 0

    @chat_model_connection
    @staticmethod
    def server() -> ResourceDescriptor:
        Modelled.calls += 1
        return ResourceDescriptor(clazz=Connection, name="server", url="http://own")

    @staticmethod
    @chat_model_setup
    def model() -> ResourceDescriptor:
        return ResourceDescriptor(clazz=Model, name="model", connection="server")


def registry_of(
    agent: Agent | type[Agent], config: dict[str, Any] | None = None
) -> ResourceRegistry:
    plan = AgentPlan.compile(agent, Configuration(config or {}))
    return ResourceRegistry(plan.providers, plan.config)


def refused(match: str) -> Any:
    return pytest.raises(AgentDefinitionError, match=match)


# ------------------------------------------------------------------ life


def test_created_at_first_use_and_only_once(log: list[str]) -> None:
    registry = registry_of(Modelled)
    assert log == []

    model = registry.get("model", MODEL)

    assert log == ["+server", "+model"]
    assert registry.get("model", MODEL) is model
    assert registry.get("server", CONNECTION) is registry.get("server", CONNECTION)
    assert log == ["+server", "+model"]


def test_closed_in_reverse_order_of_creation_and_only_once(log: list[str]) -> None:
    registry = registry_of(Modelled)
    registry.get("model", MODEL)
    log.clear()

    registry.close()
    registry.close()

    assert log == ["-model", "-server"]


def test_what_was_never_used_is_neither_created_nor_closed(log: list[str]) -> None:
    registry = registry_of(Modelled)
    registry.get("server", CONNECTION)
    registry.close()
    assert log == ["+server", "-server"]


def test_nothing_is_created_after_the_end(log: list[str]) -> None:
    registry = registry_of(Modelled)
    registry.close()
    with pytest.raises(RunError, match="'server' was asked for while the worker ends"):
        registry.get("server", CONNECTION)
    assert log == []


def test_one_that_does_not_close_does_not_keep_the_others_open(
    log: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    class Stuck(Connection):
        def close(self) -> None:
            msg = "stuck"
            raise OSError(msg)

    agent = Modelled().add_resource("stuck", CONNECTION, ResourceDescriptor(clazz=Stuck))
    registry = registry_of(agent)
    registry.get("server", CONNECTION)
    registry.get("stuck", CONNECTION)

    with caplog.at_level(logging.ERROR):
        registry.close()

    assert log[-1] == "-server"
    assert "'stuck' could not be closed" in caplog.text


def test_compiling_creates_nothing(log: list[str]) -> None:
    # A zygote compiles plans too: what it created, every worker forked from it would share.
    Modelled.calls = 0
    plan = AgentPlan.compile(Modelled)
    assert Modelled.calls == 0

    for _ in range(2):
        ResourceRegistry(plan.providers, plan.config).get("server", CONNECTION)

    assert Modelled.calls == 2
    assert log == ["+server", "+server"]


def test_many_threads_get_one_resource(log: list[str]) -> None:
    registry = registry_of(Modelled)
    together = threading.Barrier(8)
    found: list[Resource] = []

    def get() -> None:
        together.wait()
        found.append(registry.get("model", MODEL))

    threads = [threading.Thread(target=get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len({id(each) for each in found}) == 1
    assert log == ["+server", "+model"]


# ------------------------------------------------------------------ what goes wrong


def test_a_circle_is_named() -> None:
    agent = Agent()
    for name, needed in (("a", "b"), ("b", "c"), ("c", "b")):
        agent.add_resource(name, MODEL, ResourceDescriptor(clazz=Other, connection=needed))
    registry = registry_of(agent)

    with refused("chat_model 'b' -> chat_model 'c' -> chat_model 'b'.*when it is used"):
        registry.get("a", MODEL)
    # And again: a failure leaves no trace that would turn into another error.
    with refused("chat_model 'c' -> chat_model 'b' -> chat_model 'c'"):
        registry.get("c", MODEL)


def test_an_unknown_resource_is_answered_with_the_known_ones() -> None:
    registry = registry_of(Modelled)
    with refused(r"no chat_model 'modl' \(it has 'model'\).*add_resource"):
        registry.get("modl", MODEL)
    with refused(r"no vector_store 'model' \(it has none\)"):
        registry.get("model", ResourceType.VECTOR_STORE)


def test_a_failed_creation_passes_through_and_can_be_tried_again(log: list[str]) -> None:
    class Flaky(Connection):
        failures: ClassVar[list[int]] = [1]

        def model_post_init(self, _context: object) -> None:
            if self.failures:
                self.failures.pop()
                msg = "not yet"
                raise ConnectionError(msg)
            super().model_post_init(_context)

    agent = Agent().add_resource("flaky", CONNECTION, ResourceDescriptor(clazz=Flaky))
    registry = registry_of(agent)
    with pytest.raises(ConnectionError, match="not yet"):
        registry.get("flaky", CONNECTION)
    assert registry.get("flaky", CONNECTION) is registry.get("flaky", CONNECTION)


def test_wrong_arguments_are_reported_by_the_class() -> None:
    agent = Agent().add_resource("m", MODEL, ResourceDescriptor(clazz=Model, temperature="hot"))
    with pytest.raises(ValidationError, match="temperature"):
        registry_of(agent).get("m", MODEL)


def test_a_method_that_returns_something_else() -> None:
    class Wrong(Agent):
        @chat_model_setup
        @staticmethod
        def model() -> object:
            return 3

    with refused("chat_model 'model' is declared as 3.*ResourceDescriptor"):
        registry_of(Wrong).get("model", MODEL)


def test_a_class_of_another_type() -> None:
    class Wrong(Agent):
        @chat_model_setup
        @staticmethod
        def model() -> ResourceDescriptor:
            return ResourceDescriptor(clazz=Connection)

    with refused("'model' is declared as a chat_model, but its class Connection is a chat_model_c"):
        registry_of(Wrong).get("model", MODEL)
    with refused("'c' is declared as a chat_model, but"):
        AgentPlan.compile(Agent().add_resource("c", MODEL, Connection()))


def test_a_provider_method_with_parameters() -> None:
    class Wrong(Agent):
        @vector_store
        @staticmethod
        def store(size: int) -> ResourceDescriptor:
            return ResourceDescriptor(clazz=Connection, size=size)

    with refused(r"'store', a vector_store, takes \(size.*without parameters"):
        AgentPlan.compile(Wrong)


def test_resources_of_something_else_or_no_type() -> None:
    with refused("chat_model 'm' is declared as 'x'"):
        AgentPlan.compile(Agent().add_resource("m", MODEL, "x"))
    with refused("'chat_model' is given as the type of the resource 'm'.*ResourceType"):
        Agent().add_resource("m", "chat_model", "x")  # type: ignore[arg-type]


# ------------------------------------------------------------------ arguments


def test_configuration_gives_defaults_under_the_name_of_the_class() -> None:
    config = {"Connection.url": "http://file", "Connection.headers.auth": "x", "Connections.a": 1}
    agent = Modelled().add_resource("plain", CONNECTION, ResourceDescriptor(clazz=Connection))
    registry = registry_of(agent, config)

    own: Any = registry.get("server", CONNECTION)
    plain: Any = registry.get("plain", CONNECTION)

    assert (own.url, own.headers) == ("http://own", {"auth": "x"})
    assert plain.url == "http://file"


def test_get_resource_cannot_be_taken_over() -> None:
    agent = Agent().add_resource(
        "c", CONNECTION, ResourceDescriptor(clazz=Connection, arguments={"get_resource": None})
    )
    assert registry_of(agent).get("c", CONNECTION).get_resource is not None


def test_every_decorator_has_its_type() -> None:
    def make() -> None: ...

    wanted = {
        chat_model_connection: ResourceType.CHAT_MODEL_CONNECTION,
        chat_model_setup: ResourceType.CHAT_MODEL,
        embedding_model_connection: ResourceType.EMBEDDING_MODEL_CONNECTION,
        embedding_model_setup: ResourceType.EMBEDDING_MODEL,
        vector_store: ResourceType.VECTOR_STORE,
        mcp_server: ResourceType.MCP_SERVER,
    }
    for decorator, kind in wanted.items():
        clazz: Any = type("Some", (Agent,), {"made": decorator(staticmethod(make))})
        assert list(AgentPlan.compile(clazz).providers) == [kind]


def test_an_instance_is_handed_out_as_it_is() -> None:
    connection = Connection(name="mine")
    registry = registry_of(Agent().add_resource("c", CONNECTION, connection))
    assert registry.get("c", CONNECTION) is connection
    assert connection.get_resource == registry.get
    registry.close()
    assert Logged.log == ["+mine", "-mine"]


def test_an_instance_goes_with_the_registry_that_hands_it_out() -> None:
    plan = AgentPlan.compile(Agent().add_resource("c", CONNECTION, Connection()))
    for _ in range(2):
        registry = ResourceRegistry(plan.providers, plan.config)
        assert registry.get("c", CONNECTION).get_resource == registry.get
        registry.close()


def test_the_metric_group_is_bound_from_outside() -> None:
    group: Any = object()
    connection = Connection()
    assert connection.metric_group is None
    connection.set_metric_group(group)
    assert connection.metric_group is group


# ------------------------------------------------------------------ descriptors


def test_a_descriptor_names_its_class_in_three_ways() -> None:
    by_class = ResourceDescriptor(clazz=Prompt, a=1)
    by_name = ResourceDescriptor(clazz="tamias.agent.resources.prompt.Prompt", arguments={"a": 1})
    by_parts = ResourceDescriptor(
        target_module="tamias.agent.resources.prompt", target_clazz="Prompt", a=1
    )

    assert by_class == by_name == by_parts
    assert hash(by_class) == hash(by_name) == hash(by_parts)
    assert by_class.clazz is by_name.clazz is by_parts.clazz
    assert repr(by_name) == "ResourceDescriptor(clazz='tamias.Prompt', a=1)"


def test_arguments_may_be_unhashable() -> None:
    assert hash(ResourceDescriptor(clazz=Connection, headers={"a": []}))
    assert ResourceDescriptor(clazz=Connection, a=1) != ResourceDescriptor(clazz=Connection, a=2)
    assert ResourceDescriptor(clazz=Connection) != "Connection"


@pytest.mark.parametrize("name", ["no.such.module.Class", "tamias.agent.resources.prompt.Nothing"])
def test_a_class_that_cannot_be_imported_is_found_out_at_first_use(name: str) -> None:
    agent = Agent().add_resource("m", MODEL, ResourceDescriptor(clazz=name))
    registry = registry_of(agent)
    with refused(f"{name} cannot be imported.*where the workers run"):
        registry.get("m", MODEL)


@pytest.mark.parametrize("wrong", ["Model", "", None, 3])
def test_no_class_at_all(wrong: Any) -> None:
    with refused("needs a class"):
        ResourceDescriptor(clazz=wrong)


def test_a_class_that_is_no_resource() -> None:
    with refused("is not a subclass of Resource"):
        ResourceDescriptor(clazz=int)  # type: ignore[arg-type]
    with refused("is not a subclass of Resource"):
        _ = ResourceDescriptor(clazz="pathlib.Path").clazz


def test_descriptors_travel() -> None:
    class Local(Connection):
        pass

    by_name = ResourceDescriptor(clazz="tamias.agent.resources.prompt.Prompt", template="x")
    assert pickle.loads(pickle.dumps(by_name)) == by_name
    local = pickle.loads(cloudpickle.dumps(ResourceDescriptor(clazz=Local, url="y")))
    assert local.clazz(**local.arguments).url == "y"


class _Opened(Resource):
    opened_with: str = ""

    @classmethod
    def resource_type(cls) -> ResourceType:
        return ResourceType.VECTOR_STORE

    def open(self) -> None:
        found = self.resource_context.get_resource("other", ResourceType.TOOL)
        self.opened_with = f"{self.opened_with}{found}"


def test_a_resource_is_opened_once_it_can_find_others() -> None:
    def find(name: str, kind: ResourceType) -> Any:
        return f"{kind.value} {name};"

    described = provider_of(
        "store", ResourceType.VECTOR_STORE, ResourceDescriptor(clazz=_Opened, opened_with="1 ")
    )
    assert vars(described.provide(find, Configuration()))["opened_with"] == "1 tool other;"

    given = provider_of("store", ResourceType.VECTOR_STORE, _Opened())
    assert vars(given.provide(find, Configuration()))["opened_with"] == "tool other;"


def test_a_resource_context_that_is_given_finds_other_resources() -> None:
    class Context(ResourceContext):
        def get_resource(self, name: str, resource_type: ResourceType) -> Any:
            return (name, resource_type)

    context = Context()
    resource = _Opened(resource_context=context)  # type: ignore[call-arg]
    assert resource.resource_context is context
    assert resource.get_resource is not None
    found: Any = resource.get_resource("a", ResourceType.TOOL)
    assert found == ("a", ResourceType.TOOL)


class _OpensDoors(Resource):
    @classmethod
    def resource_type(cls) -> ResourceType:
        return ResourceType.VECTOR_STORE

    def open(self, door: str) -> str:  # type: ignore[override]
        return door


def test_a_method_open_of_another_kind_is_named_before_the_first_use() -> None:
    for declared in (_OpensDoors(), ResourceDescriptor(clazz=_OpensDoors)):
        provider = provider_of("doors", ResourceType.VECTOR_STORE, declared)
        with pytest.raises(AgentDefinitionError, match=r"_OpensDoors\.open cannot be called"):
            provider.provide(lambda *_: _Opened(), Configuration())


def test_a_resource_of_no_agent_finds_no_others() -> None:
    with pytest.raises(ResourceNotFoundError, match="belongs to no agent"):
        _Opened().resource_context.get_resource("a", ResourceType.TOOL)


def test_a_class_of_java_is_described_and_not_imported() -> None:
    described = ResourceDescriptor(target_module="", target_clazz="org.example.Model", size=3)
    assert (described.target_module, described.target_clazz) == ("", "org.example.Model")
    with pytest.raises(AgentDefinitionError, match="cannot be imported"):
        _ = described.clazz
    with pytest.raises(AgentDefinitionError, match="needs a class"):
        ResourceDescriptor(clazz="Model")
