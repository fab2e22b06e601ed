"""The state of runs: steps, keys, effects, commits. Knows nothing of how actions are performed."""
