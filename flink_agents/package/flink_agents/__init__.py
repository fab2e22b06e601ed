"""The modules of Apache Flink Agents, made of tamias: programs written for it run as they are."""

from pathlib import Path
from pkgutil import extend_path

from tamias.flink_agents.installed import refuse_mixed_package

refuse_mixed_package(Path(__file__).parent)

# What else a package of this name has, such as the examples of an installed Flink Agents, is found.
__path__ = extend_path(__path__, __name__)
