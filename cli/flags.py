"""Flags that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="The agent: package.module:name, path/to/file.py:name, or path/to/file.yaml:name.",
    ),
]
Workers = Annotated[
    int | None, typer.Option("--workers", "-w", metavar="N", help="Default: one per CPU.")
]
Durability = Annotated[
    str | None,
    typer.Option(
        metavar="none|process|machine",
        help="What state survives: nothing, the death of any process, a power loss. Default: "
        "process.",
    ),
]
Config = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings in YAML.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="A setting, before those of --config."),
]
Metrics = Annotated[
    str | None,
    typer.Option(metavar="[HOST:]PORT", help="Serve metrics to Prometheus there, while it runs."),
]
Otlp = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Send metrics and traces to a collector, by OTLP over HTTP."),
]
Profile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write a profile of the whole job in the end."),
]
Report = Annotated[bool, typer.Option("--json", help="Print a report as JSON in the end.")]
Events = Annotated[
    bool, typer.Option("--json", help="Print what happens to stdout, as JSON lines.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors.")]
