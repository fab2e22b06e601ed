"""Agents as tools of other agents. Knows nothing of workers, providers."""
