"""`tamias memory reembed`: makes the vectors of memory sets anew, with another embedding model."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from ...agent.errors import StoreLockedError, UsageError
from ...console.values.json_text import json_line, shown_key
from ...store import clock
from ...store.at_rest.kept_vectors import KeptVectors
from ...store.at_rest.reembedding import NewModel, reembed
from ...store.state.directory import StateDirectory
from ...store.state.reader import StoreReader
from ...store.state.waiting import waiting_counts
from ..text import count, error_console, output_console, shown, typed, write_line
from .models import AgentModels
from .selection import chosen_sets, is_of_task, shown_place

if TYPE_CHECKING:
    from typing_extensions import Self

    from ...store.memory.opened_set import SetPlace
    from ...store.sets.records import SetSettings
    from .models import NamedModel

_EVERY: Final = 10_000
"""Items between two lines of progress, where there is no terminal."""


class _Chosen(NamedTuple):
    place: SetPlace
    settings: SetSettings
    items: int


def reembed_sets(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    *,
    name: Annotated[
        str | None, typer.Option("--set", metavar="NAME", help="Only sets of this name.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="Only sets of this key.")
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Only sets that all keys share.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Only sets whose vectors are of this model."),
    ] = None,
    embedding: Annotated[
        str | None,
        typer.Option(
            metavar="RESOURCE",
            help="The agent's embedding model. Default: the one that each set names.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="TARGET", help="The agent, if another one than on record."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--setting", "-s", metavar="KEY=VALUE", help="A setting that is not on record."
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also sets that have vectors of the model already.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> int:
    """Make the vectors of memory sets anew, by the agent's embedding model; while no pool runs.

    Each set changes in one commit. What was made is kept when it is interrupted: repeat it.
    """
    with StoreReader(state) as reader:
        manifest = reader.view.manifest
        _check_no_task(reader)
        found = [
            _Chosen(place, opened.settings(), opened.totals(clock.now()).items)
            for place, opened in chosen_sets(reader, name=name, key=key, shared=shared)
        ]
    with AgentModels(manifest, target, settings or ()) as models:
        chosen = _chosen(found, models, embedding, model, again=again)
        if not chosen:
            error_console().print(_nothing(found), markup=False)
            return 0
        try:
            directory = StateDirectory.open(
                state, manifest.agent, manifest.shards, manifest.durability, manifest.job
            )
        except StoreLockedError as error:
            raise StoreLockedError(
                f"{shown(state)} is in use: vectors can be made anew while no pool runs.",
                hint=f"Stop it (tamias stop {typed(state)}), and start it again afterwards.",
            ) from error
        with directory:
            _check_unfinished(state)
            kept: dict[str, KeptVectors] = {}
            with ExitStack() as stack:
                for each, new, dimensions in chosen:
                    if new.name not in kept:
                        folder = directory.layout.reembedding
                        kept[new.name] = KeptVectors(folder, new.model, dimensions)
                        stack.callback(kept[new.name].close)
                    _reembed(directory, each, new, kept[new.name], as_json=as_json)
            for vectors in kept.values():
                vectors.remove()
    return 0


def _check_no_task(reader: StoreReader) -> None:
    """Raise UsageError for the directory of a Flink task, whose state comes from checkpoints."""
    if is_of_task(reader):
        raise UsageError(
            f"{shown(reader.view.path)} is the directory of a task of a Flink job: it would know "
            "nothing of new vectors, and its next restore brings back those before.",
            hint="Have the agent add the items anew: get(limit=None) of the set, "
            "delete_memory_set() and add() in one action, as docs/flink.md shows.",
        )


def _check_unfinished(state: Path) -> None:
    """Check that no run is half done, and warn of those that wait.

    Raises:
        UsageError: runs are unfinished.
    """
    with StoreReader(state) as reader:
        unfinished, waiting = len(reader.interrupted()), waiting_counts(reader).runs
    if unfinished:
        raise UsageError(
            f"{count(unfinished, 'run')} {'is' if unfinished == 1 else 'are'} unfinished, and may "
            "have vectors of the model before on record.",
            hint=f"Let the job finish what it has begun (tamias resume {typed(state)}), and repeat "
            "the command then.",
        )
    if waiting:
        error_console().print(
            f"warning: {count(waiting, 'run')} {'waits' if waiting == 1 else 'wait'}. One that has"
            " vectors of the model before on record fails when it goes on; tamias dead-letters"
            " retry runs its input anew.",
            markup=False,
        )


def _chosen(
    found: list[_Chosen],
    models: AgentModels,
    embedding: str | None,
    model: str | None,
    *,
    again: bool,
) -> list[tuple[_Chosen, NamedModel, int]]:
    """The sets whose vectors are to be made, each with its new model and dimensions.

    Raises:
        TamiasError: a model cannot be made here.
    """
    chosen = []
    dimensions: dict[str, int] = {}
    for each in found:
        resource = embedding or each.settings.embedding
        if not resource or (model is not None and each.settings.model != model):
            continue
        new = models.get(resource)
        if resource not in dimensions:
            dimensions[resource] = new.dimensions()
        was = each.settings
        now = (resource, new.model, dimensions[resource])
        if again or (was.embedding, was.model, was.dimensions) != now:
            chosen.append((each, new, dimensions[resource]))
    return chosen


def _nothing(found: list[_Chosen]) -> str:
    if not found:
        return "There are no such memory sets."
    if not any(each.settings.embedding for each in found):
        return "No such memory set has an embedding model: name one with --embedding."
    return "All vectors are of the models that the agent has now."


def _reembed(
    directory: StateDirectory, chosen: _Chosen, new: NamedModel, kept: KeptVectors, *, as_json: bool
) -> None:
    place, before, items = chosen
    model = NewModel(new.name, new.model, new.embed, new.setup.batch_size, kept)
    with _Progress(f"embedding {shown_place(place)}", items) as progress:
        shards = place.shards(directory.manifest.shards)
        done = reembed(directory, shards, place.in_store(), model, progress.add)
    if as_json:
        row: dict[str, Any] = {
            "name": place.name,
            "key": None if place.key is None else shown_key(place.key),
            "shared": place.key is None,
            "items": done,
            "embedding": new.name,
            "model": new.model,
            "dimensions": kept.dimensions,
            "before": {"model": before.model, "dimensions": before.dimensions},
        }
        write_line(json_line(row))
        return
    was = f"{before.model} ({before.dimensions} dimensions)" if before.model else "no vectors"
    output_console().print(
        f"{shown_place(place).removeprefix('the ')}: {count(done, 'item')}, {was} -> {new.model}"
        f" ({kept.dimensions} dimensions)",
        markup=False,
    )


class _Progress:
    """How many items have vectors: on a terminal a moving line, elsewhere a line now and then."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._reported = 0
        self._console = error_console()
        self._status = self._console.status(what) if self._console.is_terminal else None

    def add(self, items: int) -> None:
        """Further items have vectors."""
        self._done += items
        text = f"{self._what}: {self._done:,} of {self._total:,}"
        if self._status is not None:
            self._status.update(text)
        elif self._done - self._reported >= _EVERY:
            self._reported = self._done
            self._console.print(text, markup=False)

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()
