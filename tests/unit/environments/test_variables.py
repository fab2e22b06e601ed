"""Which environment variables a worker has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tamias.environments.variables import INHERITED, worker_variables

OURS = {
    "PATH": "/usr/bin",
    "HOME": "/home/me",
    "LC_ALL": "C",
    "API_KEY": "secret",
    "AWS_ID": "id",
    "PYTHONPATH": "/launchers/own",
    "VIRTUAL_ENV": "/launchers/venv",
    "LD_PRELOAD": "/launchers/lib.so",
}
PYTHON = "/env/bin/python"


def test_a_clean_base_and_what_is_added() -> None:
    assert worker_variables(OURS, [], {}, PYTHON, is_virtual=True) == {
        "PATH": "/env/bin:/usr/bin",
        "HOME": "/home/me",
        "LC_ALL": "C",
        "VIRTUAL_ENV": "/env",
    }


def test_the_users_variables_override_all_others() -> None:
    given = {"HOME": "/elsewhere", "LC_ALL": None, "MISSING": None, "NEW": "new"}
    assert worker_variables(OURS, ["AWS_*", "API_KEY"], given, PYTHON, is_virtual=False) == {
        "PATH": "/env/bin:/usr/bin",
        "HOME": "/elsewhere",
        "API_KEY": "secret",
        "AWS_ID": "id",
        "NEW": "new",
    }


@pytest.mark.parametrize("name", INHERITED)
def test_the_documentation_names_what_is_inherited(name: str) -> None:
    page = Path(__file__).parents[3] / "docs" / "deployment.md"
    text = page.read_text(encoding="utf-8")
    assert f"`{name}`" in text or f"`{name.lower()}`" in text
