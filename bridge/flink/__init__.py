"""The client's side of Flink: from streams and tables to an operator that runs an agent's pool."""
