"""Agents in a Flink job; resources shared with Java. Knows no service, deployment or command."""
