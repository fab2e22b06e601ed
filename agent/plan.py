"""`AgentPlan`: an agent compiled to tables that a worker can look things up in.

Compiling finds everything that is wrong with a declaration at once, before a process is started,
and gives the same plan for the same agent every time.

Which actions an event reaches. An action that listens to a class gets the events of exactly that
class, not those of its subclasses. Flink Agents matches so, and agents that run here must run
there; it also lets a subclass refine an event without setting off everything that handles the
general one, and keeps the look-up at one dictionary access. An action that wants several classes
lists them. After the actions of its class, an event reaches those that listen to its type; an
action that listens to both runs once. A plain `Event` is how Flink Agents' events since 0.3 travel,
so one that has the type of a class also reaches the actions that listen to that class. Conditions
(`agent/events/conditions.py`) come last: an action that listens to the event itself is not asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .chat.built_in import built_in_actions
from .config.agent_options import AgentExecutionOptions
from .config.configuration import Configuration
from .declarations import agent_instance, declared_actions, declared_providers, plan_name
from .errors import AgentDefinitionError, TriggerConditionError, UsageError
from .event import Event, InputEvent, class_type
from .events.condition_values import EvaluationError
from .events.conditions import Condition
from .events.triggers import event_type_in
from .limits.settings import Limits, check_names
from .naming.public import public
from .observing.sending import with_observations
from .resources.resource import ResourceType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .action import Action
    from .agent import Agent
    from .resources.provider import References, ResourceProvider

__all__ = ["AgentPlan"]

_FAILURE_STRATEGY: Final = AgentExecutionOptions.CONDITION_EVALUATION_FAILURE_STRATEGY

_OF_SERVERS = (ResourceType.TOOL, ResourceType.PROMPT)

_NOTHING_TO_PRELOAD = frozenset({ResourceType.PROMPT, ResourceType.TOOL})
"""Types of resources that the agent's own module has imported."""
_CONNECTIONS = (ResourceType.CHAT_MODEL_CONNECTION, ResourceType.EMBEDDING_MODEL_CONNECTION)


@public
class AgentPlan:
    """What a worker needs to know about an agent. Picklable with cloudpickle, never changed."""

    __slots__ = (
        "_by_class",
        "_only_classes",
        "_plain",
        "_routed",
        "actions",
        "conditions",
        "config",
        "name",
        "providers",
        "routes",
    )

    def __init__(
        self,
        name: str,
        actions: dict[str, Action],
        providers: dict[ResourceType, dict[str, ResourceProvider]],
        config: Configuration,
    ) -> None:
        self.name = name
        """Where the agent is defined, as ``module:qualname``."""
        self.actions = actions
        """All actions by name, in the order of definition."""
        self.providers = providers
        """All resources: type to name to provider."""
        self.config = config
        routes: dict[type[Event] | str, tuple[Action, ...]] = {}
        plain: dict[str, tuple[Action, ...]] = {}
        conditions: list[tuple[Action, Condition]] = []
        for action in actions.values():
            for entry in action.listens:
                listened = event_type_in(entry) if isinstance(entry, str) else entry
                if listened is None:
                    conditions.append((action, _condition(action, str(entry))))
                    continue
                if action not in routes.get(listened, ()):
                    routes[listened] = (*routes.get(listened, ()), action)
                kind = listened if isinstance(listened, str) else class_type(listened)
                if listened is not Event and action not in plain.get(kind, ()):
                    plain[kind] = (*plain.get(kind, ()), action)
        self.conditions = tuple(conditions)
        """The conditions of actions, in the order of definition."""
        self.routes = routes
        """Event class, or string type, to the actions that listen to it."""
        self._plain = plain
        """Type of a plain event to the actions that listen to it, or to a class of that type."""
        texts = any(isinstance(listened, str) for listened in routes)
        self._only_classes = not (conditions or texts)
        self._by_class: dict[type[Event], tuple[Action, ...]] = {
            listened: found
            for listened, found in routes.items()
            if self._only_classes and listened is not Event and not isinstance(listened, str)
        }
        """Classes whose events reach the actions that listen to the class, and no others."""
        self._routed: dict[tuple[type[Event], str | None], tuple[Action, ...]] = {}

    @classmethod
    def compile(
        cls,
        agent: Agent | type[Agent],
        config: Configuration | None = None,
        resources: Mapping[ResourceType, Mapping[str, Any]] | None = None,
    ) -> AgentPlan:
        """The plan of ``agent``; a class is instantiated without arguments.

        ``resources`` are those of the environment; where the agent has one of the same type and
        name, the agent's counts. Raises `AgentDefinitionError`, which says what to change, for a
        name used twice, an action that listens to nothing or cannot be called with
        ``(event, ctx)``, and a resource that is none.
        """
        instance = agent_instance(agent)
        actions = declared_actions(instance)
        name = plan_name(instance, actions)
        providers = declared_providers(instance, resources or {})
        actions.update(built_in_actions(actions, providers))
        actions = with_observations(actions, config)
        plan = cls(
            name,
            actions,
            providers,
            Configuration() if config is None else config.copy(),
        )
        plan._check_limits()
        return plan

    def _check_limits(self) -> None:
        """Make sure that limits are for connections that there are, as far as that is known.

        Raises:
            ConfigError: a setting of a limit is wrong.
            AgentDefinitionError: one is for a connection that the agent does not have.
        """
        limits = Limits.of(self.config.data)
        if not limits:
            return
        connections = [
            name for kind, names in self.providers.items() if kind in _CONNECTIONS for name in names
        ]
        others = [name for names in self.providers.values() for name in names]
        if wrong := check_names(limits, connections, others):
            raise AgentDefinitionError(
                wrong,
                hint="(The limit of a durable call, limit=..., needs a name that is not so close"
                " to one of a connection.)",
            )

    def check_handles_input(self) -> None:
        """Make sure that inputs have an effect: some action is set off by them.

        Raises:
            AgentDefinitionError: none is.
        """
        if self.conditions or self.route(InputEvent(input=None)):
            return
        if not self.actions:
            raise AgentDefinitionError(
                f"The agent {self.name} has no action, so no input would have an effect.",
                hint="Declare one: @action(InputEvent) above a static method of (event, ctx).",
            )
        heard = ", ".join(
            name if isinstance(name, str) else name.__qualname__ for name in self.routes
        )
        raise AgentDefinitionError(
            f"No action of the agent {self.name} listens to InputEvent, so no input would have an "
            f"effect; its actions listen to {heard}.",
            hint="Have one of them listen to InputEvent.",
        )

    def preload(self) -> None:
        """Import what the agent's resources need, as client libraries, in this process.

        For the process that workers are forked from: so they share the memory, and start at once.
        Raises what keeps a resource from being made: `AgentDefinitionError` for a class that cannot
        be imported or a name that stands for no resource, `MissingExtraError` for a library that is
        not installed. A job whose calls of
        models are answered from a record needs neither libraries nor keys.
        """
        if self.config.get_str("model-calls", "") == "replay":
            return
        for kind, named in self.providers.items():
            if kind not in _NOTHING_TO_PRELOAD:
                for provider in named.values():
                    self._check_names(provider, provider.preload(self.config))

    def _check_names(self, provider: ResourceProvider, named: References) -> None:
        """Make sure that there are the resources that another one names.

        Tools and prompts may be those of an MCP server, which is not asked here.

        Raises:
            AgentDefinitionError: there is none.
        """
        for kind, name in named:
            known = self.providers.get(kind, {})
            if name in known or (
                kind in _OF_SERVERS and self.providers.get(ResourceType.MCP_SERVER)
            ):
                continue
            raise AgentDefinitionError(
                f"The {provider.type.value} {provider.name!r} names the {kind.value} {name!r},"
                f" which the agent does not have (it has {', '.join(map(repr, known)) or 'none'}).",
                hint="Declare it with a decorator of the agent, or with add_resource().",
            )

    def route(
        self, event: Event, failed: Callable[[str], None] | None = None
    ) -> tuple[Action, ...]:
        """The actions that ``event`` sets off, in the order they run.

        ``failed`` is called for each condition that cannot be evaluated, with what is to be said
        of it.

        Raises:
            TriggerConditionError: one cannot be evaluated, and the strategy is to fail.
        """
        if self._only_classes:
            by_class = self._by_class.get(event.__class__)
            if by_class is not None:
                return by_class
        # The type of most events is a declared or extra field; only then look at the class.
        kind = event.__dict__.get("type")
        if kind is None:
            extra = event.__pydantic_extra__
            kind = extra.get("type") if extra else None
        found = None
        if kind is None or isinstance(kind, str):
            found = self._routed.get((event.__class__, kind))
        if found is None:
            found = self._find_route(event.__class__, kind)
        return self._with_conditions(event, found, failed) if self.conditions else found

    def _with_conditions(
        self, event: Event, found: tuple[Action, ...], failed: Callable[[str], None] | None
    ) -> tuple[Action, ...]:
        for action, condition in self.conditions:
            if action in found:
                continue
            try:
                holds = condition.holds_for(event)
            except EvaluationError as error:
                text = (
                    f"the condition {condition.source!r} of action {action.name!r} cannot be"
                    f" evaluated for an event of type {event.get_type()}: {error}"
                )
                if self.config.get(_FAILURE_STRATEGY) == "FAIL":
                    hint = "Ask for what an event may lack, as in 'has(x) && x > 3'."
                    raise TriggerConditionError(f"{text}.", hint=hint) from None
                if failed is not None:
                    failed(text)
                continue
            if holds:
                found = (*found, action)
        return found

    def may_reach_action(self, event: Event) -> bool:
        """Whether events as this one set off any action, as far as that can be known."""
        try:
            return bool(self.route(event))
        except TriggerConditionError:
            return False

    def _find_route(self, clazz: type[Event], kind: object) -> tuple[Action, ...]:
        by_class = self.routes.get(clazz, ())
        if kind is not None and not isinstance(kind, str):
            return by_class
        named = class_type(clazz) if kind is None else kind
        by_type = (self._plain if clazz is Event else self.routes).get(named, ())
        found = tuple(dict.fromkeys((*by_class, *by_type)))
        # Bounded by what is listened to: any other type of an event is not worth remembering.
        if kind is None or by_type:
            self._routed[clazz, kind] = found
        return found

    def __getstate__(self) -> tuple[Any, ...]:
        return self.name, self.actions, self.providers, self.config

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"AgentPlan({self.name}: {', '.join(self.actions) or 'no actions'})"


def _condition(action: Action, source: str) -> Condition:
    try:
        return Condition(source)
    except UsageError as error:
        msg = f"Action {action.name!r}: {error.message}"
        raise type(error)(msg, hint=error.hint) from None
