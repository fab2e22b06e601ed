"""As `flink_agents.api.yaml.loader` of Flink Agents."""

from tamias import load_yaml

__all__ = ["load_yaml"]
