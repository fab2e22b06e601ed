"""As `flink_agents.cli.trace_tree` of Flink Agents: the trees of events in an event log."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tamias.flink_agents.traces.forest import ROOT_TYPE, as_text, forest_of
from tamias.flink_agents.traces.records import Warnings, log_files, objects_in, observations

__all__ = [
    "INPUT_EVENT_TYPE",
    "build_trace_forest",
    "find_log_files",
    "main",
    "read_event_records",
    "read_json_objects",
    "render_text",
]

INPUT_EVENT_TYPE = ROOT_TYPE
build_trace_forest = forest_of
find_log_files = log_files
read_event_records = observations
read_json_objects = objects_in
render_text = as_text


def main() -> int:
    """Print the trees of a file, or of a folder of files; warnings go to stderr."""
    parser = argparse.ArgumentParser(description="Show the trees of events in an event log.")
    parser.add_argument("path", type=Path, help="a file, or a folder with events-*.log")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    arguments = parser.parse_args()
    warnings = Warnings()
    try:
        forest = forest_of(observations(arguments.path, warnings), warnings)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)  # noqa: T201 (a program for a terminal)
        return 1
    for each in warnings:
        print(f"[{each['code']}] {each['message']}", file=sys.stderr)  # noqa: T201 (as above)
    text = json.dumps(forest, indent=2) if arguments.format == "json" else as_text(forest)
    print(text)  # noqa: T201 (as above)
    return 0


if __name__ == "__main__":
    sys.exit(main())
