"""The modules of Apache Flink Agents, made of tamias: programs written for it run as they are."""

from pathlib import Path

from tamias.flink_agents.installed import refuse_mixed_package

refuse_mixed_package(Path(__file__).parent)
