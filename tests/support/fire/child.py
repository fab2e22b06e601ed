"""The launcher's process: `python child.py PLAN`, PLAN being a JSON file.

Runs or resumes the job, or retries its dead letters, and leaves its report, and the launcher's peak
of resident memory, beside the plan as `report.json`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path

from tamias.launcher.jobs.file_job import JobSpec, run_file_job
from tamias.launcher.jobs.retry import retry_dead_letters


def main() -> None:
    """Run the job of the plan."""
    plan = Path(sys.argv[1])
    job = json.loads(plan.read_text())
    spec, state = JobSpec(**job["spec"]), Path(job["state"])
    carry_on = retry_dead_letters if job.get("retry") else run_file_job
    report = carry_on(spec, state)
    fresh = plan.with_name("report.new")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fresh.write_text(json.dumps({**asdict(report), "peak_kib": peak}, default=str))
    fresh.replace(plan.with_name("report.json"))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
