"""Trees of events, read from an event log in Flink Agents' format. Knows nothing of programs."""
