"""Runs a command beside a fake model, for those who have none: `python with_fake.py COMMAND ...`.

The fake speaks OpenAI's protocol at the address in OPENAI_BASE_URL. It is the one that the tests of
tamias use, with a few rules in place of a mind (`tests/support/providers/of_examples.py`).
"""

import importlib
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))


def main() -> int:
    """Run the command; return its exit code."""
    server = importlib.import_module("support.providers.server")
    script = importlib.import_module("support.providers.of_examples").script
    with server.fake_providers(script) as fake:
        variables = {
            "OPENAI_BASE_URL": fake.openai_url,
            "OPENAI_API_KEY": "none",
            "MODEL": "fake",
            "EMBEDDING_MODEL": "fake",
        }
        return subprocess.run(sys.argv[1:], env={**os.environ, **variables}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
