"""Collects what a run has found: outcomes of its durable calls, and memory as it was before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...store.records.journal import ACTION, CALL
from ...store.records.run_record import RunMaterial
from ..memory.fields import DELETED, MISSING, to_record

if TYPE_CHECKING:
    from ..memory.fields import MemoryFields
    from ..runs.run import Run
    from ..waiting.questions import Questions

__all__ = ["material_of"]


def material_of(run: Run, questions: Questions, limit: int) -> RunMaterial:
    """Return what a run has found, up to so many bytes; to be called before it is committed.

    The outcomes of calls come first: they cannot be had again.
    """
    if limit <= 0:
        return RunMaterial()
    newest = {entry.key: entry for entry in run.entries or () if entry.kind in (CALL, ACTION)}
    found = RunMaterial(sorted(newest.values(), key=lambda entry: entry.key))
    writer = run.lane.writer
    asked = {token: questions.get(writer, token) for token in run.tokens or ()}
    found.questions = {token: each.encode() for token, each in asked.items() if each is not None}
    room = limit - sum(len(entry.data) for entry in found.journal)
    room -= sum(map(len, found.questions.values()))
    if room < 0:
        found.journal, found.questions = [], {}
        found.left_out.append("journal")
        room = limit
    if run.lane.run is run:  # an answer comes while another run uses the memory
        run.lane.fill()
        found.memory = _committed(run.lane.fields, room)
        found.is_complete = run.lane.fields.complete
        if found.memory is None:
            found.left_out.append("memory")
    return found


def _committed(fields: MemoryFields, room: int) -> dict[str, bytes] | None:
    """The fields as they were before the run, as far as they are known here; None: too large."""
    memory: dict[str, bytes] = {}
    for path, value in fields.committed.items():
        if value is DELETED or value is MISSING:
            continue
        record = to_record(value) or b""
        room -= len(path) + len(record)
        if room < 0:
            return None
        memory[path] = record
    return memory
