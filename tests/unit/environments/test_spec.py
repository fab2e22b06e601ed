"""What a user may say of an environment, and how it is understood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tamias import ConfigError, Configuration
from tamias.environments.spec import EnvironmentSpec

YAML = """
python: "3.10"
requirements: [numpy==1.21.6, "six"]
archives: [models.tar.gz, {path: /data/old.zip, name: rates}]
files: prices.csv
folder: models/here
pythonpath: src
variables: {THREADS: 4, KEEP: "yes", HOME: null}
inherit: [AWS_*]
"""


def test_all_of_it_as_a_deployment_file_has_it() -> None:
    spec = EnvironmentSpec.of(yaml.safe_load(YAML), Path("/job"))
    assert spec.python == "3.10"
    assert spec.requirements == ("numpy==1.21.6", "six")
    assert [(item.path, item.name) for item in spec.archives] == [
        ("/job/models.tar.gz", "models"),
        ("/data/old.zip", "rates"),
    ]
    assert [(item.path, item.name) for item in spec.files] == [("/job/prices.csv", "prices.csv")]
    assert spec.folder == "models/here"  # inside an archive
    assert spec.pythonpath == ("/job/src",)
    assert spec.variables == {"THREADS": "4", "KEEP": "yes", "HOME": None}
    assert spec.inherit == ("AWS_*",)
    assert EnvironmentSpec.of(spec.to_mapping(), Path("/elsewhere")) == spec


def test_the_configuration_flattens_it_and_gives_it_back() -> None:
    config = Configuration.from_yaml_text(f"environment: {yaml.safe_load(YAML)}")
    config.override({"environment.variables.A.B": "dotted"})
    spec = EnvironmentSpec.of(config.section("environment"), Path("/job"))
    assert spec.variables["A.B"] == "dotted"
    assert spec.python == "3.10"


def test_nothing_asked_for_is_the_launchers_own() -> None:
    assert not EnvironmentSpec.of({})
    assert EnvironmentSpec.of({"variables": {"A": "b"}})
    assert EnvironmentSpec.of({}).to_mapping() == {}


@pytest.mark.parametrize(
    ("python", "meant"),
    [
        ("3.12", "3.12"),
        (3.12, "3.12"),
        ("3.12.1", "3.12.1"),
        ("python3.12", "python3.12"),
        ("venv/bin/python", "/job/venv/bin/python"),
        ("packed/bin/python", "packed/bin/python"),
        ("/usr/bin/python3", "/usr/bin/python3"),
    ],
)
def test_pythons(python: object, meant: str) -> None:
    spec = EnvironmentSpec.of({"python": python, "archives": ["packed.tar"]}, Path("/job"))
    assert spec.python == meant


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"python": 3.1}, 'write a version in quotes: "3.10"'),
        ({"pyhton": "3.12"}, "environment.pyhton: there is no such setting"),
        ({"python": ["3.12"]}, "environment.python: "),
        ({"requirements": 3}, "name a file, or list requirements"),
        ({"requirements": ["six", 2]}, "name a file, or list requirements"),
        ({"archives": ["a.zip", "b/a.zip"]}, "two of the archives and files are called 'a'"),
        ({"archives": ["a.zip#../x"]}, "'../x' is no name for 'a.zip'"),
        ({"archives": [".."]}, "'..' is no name"),
        ({"archives": [{"path": 3}]}, "environment.archives.0.path: "),
        ({"archives": [{"path": "a.zip", "nmae": "b"}]}, "there is no such setting"),
        ({"variables": {"A": True}}, "A is True: write its value in quotes"),
        ({"variables": {"A": 1.5}}, "A is 1.5: write its value in quotes"),
        ({"variables": {"A=B": "c"}}, "'A=B' cannot be an environment variable"),
        ({"variables": {"PYTHONPATH": "x"}}, "use pythonpath or python"),
        ({"variables": ["A"]}, "environment.variables: "),
        ({"installer": "conda"}, "environment.installer: "),
    ],
)
def test_what_cannot_be_is_one_clear_error(data: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        EnvironmentSpec.of(data)
    assert told in caught.value.message
