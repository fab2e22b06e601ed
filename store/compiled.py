"""The modules that are compiled where tamias is installed, and whether they are here.

`scripts/packaging/core.py` compiles them, all together. Where it cannot, or where Python has
another version, they are plain Python and do the same.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Final

MODULES: Final = (
    "tamias.launcher.connection.messages",
    "tamias.launcher.connection.packing",
    "tamias.launcher.delivery.checkpoint",
    "tamias.launcher.delivery.checkpointed",
    "tamias.launcher.delivery.done_offsets",
    "tamias.launcher.dispatch.counters",
    "tamias.launcher.dispatch.dispatcher",
    "tamias.launcher.dispatch.input_queue",
    "tamias.launcher.dispatch.instructions",
    "tamias.launcher.dispatch.item",
    "tamias.launcher.dispatch.owned",
    "tamias.launcher.dispatch.placement",
    "tamias.launcher.dispatch.quarantine",
    "tamias.launcher.dispatch.slot",
    "tamias.launcher.metrics.input_ages",
    "tamias.launcher.metrics.top_keys",
    "tamias.launcher.pool.inbox",
    "tamias.launcher.pool.reader",
    "tamias.launcher.sources.elements",
    "tamias.store.encoding.codec",
    "tamias.store.encoding.keys",
    "tamias.store.encoding.paths",
    "tamias.store.encoding.stamps",
    "tamias.store.encoding.short_values",
    "tamias.store.encoding.values",
    "tamias.store.records.journal",
    "tamias.store.records.offsets",
    "tamias.store.records.outbox",
    "tamias.store.shard.applying",
    "tamias.store.shard.batch",
    "tamias.store.shard.field_reader",
    "tamias.worker.beacon",
    "tamias.worker.durable.call_log",
    "tamias.worker.engine.async_actions",
    "tamias.worker.engine.completion",
    "tamias.worker.engine.context",
    "tamias.worker.engine.engine",
    "tamias.worker.engine.run_driver",
    "tamias.worker.engine.unfinished",
    "tamias.worker.intercepting.context",
    "tamias.worker.memory.expiring_fields",
    "tamias.worker.memory.fields",
    "tamias.worker.memory.memory",
    "tamias.worker.memory.moment",
    "tamias.worker.metering.measures",
    "tamias.worker.runs.effects",
    "tamias.worker.runs.event_snapshots",
    "tamias.worker.runs.group_commit",
    "tamias.worker.runs.lane",
    "tamias.worker.runs.lanes",
    "tamias.worker.runs.recorder",
    "tamias.worker.runs.removals",
    "tamias.worker.runs.run",
    "tamias.worker.tasks.executing",
    "tamias.worker.tasks.first_steps",
    "tamias.worker.wire",
)


def compiled_modules() -> list[str]:
    """The modules that this process imports, or would import, in compiled form."""
    return [name for name in MODULES if not _file_of(name).endswith(".py")]


def _file_of(name: str) -> str:
    module = sys.modules.get(name)
    if module is not None:
        return module.__file__ or ""
    spec = find_spec(name)
    return ".py" if spec is None or spec.origin is None else spec.origin


def described_core() -> str:
    """Say in plain words whether the core of tamias is compiled here."""
    compiled = compiled_modules()
    if not compiled:
        return "plain Python"
    if len(compiled) == len(MODULES):
        return f"compiled ({len(MODULES)} modules)"
    plain = ", ".join(name.removeprefix("tamias.") for name in MODULES if name not in compiled)
    return f"compiled in part ({len(compiled)} of {len(MODULES)} modules; plain Python: {plain})"
