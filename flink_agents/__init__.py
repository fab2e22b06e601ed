"""Runs programs that are written for Flink Agents. Knows nothing of processes and stores."""
