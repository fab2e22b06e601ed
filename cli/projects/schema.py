"""`tamias schema`: prints the JSON schema of YAML files with agents, for editors."""

from __future__ import annotations

import sys


def schema() -> int:
    """Print the JSON schema of YAML files with agents.

    Editors check such a file and complete its keys if its first line is

    # yaml-language-server: $schema=agents.schema.json
    """
    from ...agent.yaml_agents.specs import json_schema  # noqa: PLC0415 (only this command needs it)

    sys.stdout.write(json_schema())
    return 0
