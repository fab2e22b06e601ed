"""The commands `waiting` and `answer`; what waits for a key. Knows nothing of how waits are kept."""
