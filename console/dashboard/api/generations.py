"""Generations of the agent's code and settings, and what changes a running pool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ....agent.errors import UsageError
from ....launcher.control.client import NoAnswerError, send_request
from ....launcher.reload.generation_record import files, specs
from ..endpoints.replies import number_in

if TYPE_CHECKING:
    from ..endpoints.replies import Asked
    from ..jobs import ShownJob

__all__ = ["generation_list", "reload", "rollback", "scale", "swap"]

_MOST_WORKERS: Final = 10_000
_PATIENCE: Final = 20.0
_MOST_FILES: Final = 500


def generation_list(job: ShownJob, _: Asked) -> dict[str, Any]:
    """The generation that counts, what it is made of, and those that workers have now."""
    with job.reader() as reader:
        view = reader.view
        manifest = view.manifest
        running = view.launcher_pid() is not None
        status = view.status() or {}
    lineage = manifest.job.get("lineage")
    record: dict[str, Any] = lineage if isinstance(lineage, dict) else {}
    current = manifest.job.get("generation", 0)
    workers: dict[int, list[int]] = {}
    for worker in status.get("workers", ()) if running else ():
        workers.setdefault(worker.get("generation", 0), []).append(worker["slot"])
    own = {str(Path(file)): digest for file, digest in list(files(manifest).items())[:_MOST_FILES]}
    target = next((spec.get("target") for spec in specs(manifest.job).values()), None)
    return {
        "current": current,
        "generations": [
            {
                "generation": number,
                "current": number == current,
                "workers": sorted(workers.get(number, [])),
                **({"files": own, "target": target} if number == current else {}),
            }
            for number in sorted({current, *workers})
        ],
        "last": record.get("last", current),
        "definition": record.get("definition"),
        "reload": status.get("reload"),
        "running": running,
    }


def reload(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """Go over to the code that is on disk now; the status says how that stands."""
    settings = asked.body.get("settings", {})
    if not isinstance(settings, dict) or asked.body.keys() - {"settings"}:
        raise UsageError("A reload takes settings, which are an object, and nothing else.")
    return _send(job, "reload", {"settings": settings})


def rollback(job: ShownJob, _: Asked) -> dict[str, Any]:
    """Roll back the reload that is under way."""
    return _send(job, "rollback", {})


def scale(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """Have more or fewer workers."""
    workers = number_in(asked.body.get("workers"), "number of workers", 0, _MOST_WORKERS)
    if not workers:
        raise UsageError("A pool has one worker at least.")
    return _send(job, "scale", {"workers": workers})


def swap(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """Replace a worker by a fresh one."""
    slot = number_in(asked.path["slot"], "worker", 0, _MOST_WORKERS)
    return _send(job, "swap", {"slot": slot})


def _send(job: ShownJob, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The pool's answer; or that it is still at work, which a browser must not wait for.

    Raises:
        TamiasError: none runs, or it says no.
    """
    try:
        return send_request(job.path, name, arguments, wait=_PATIENCE)
    except NoAnswerError as error:
        if isinstance(error.__cause__, TimeoutError):
            return {"pending": True, "message": f"The pool is at work on it: {name}."}
        raise
