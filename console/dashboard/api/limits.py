"""What calls with limits have used, and how their limits stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...usage.rows import configured_limits, usage_rows

if TYPE_CHECKING:
    from ..endpoints.replies import Asked
    from ..jobs import ShownJob

__all__ = ["limit_list"]


def limit_list(job: ShownJob, _: Asked) -> dict[str, Any]:
    """A row for each limit; of a running job also how it stands now."""
    with job.reader() as reader:
        view = reader.view
        running = view.launcher_pid() is not None
        status = (view.status() or {}).get("limits") if running else None
        rows = usage_rows(reader.usage(), configured_limits(view.manifest.job), status or {})
    return {"limits": rows, "running": running}
