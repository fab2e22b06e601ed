"""The commands `waiting` and `answer`. Knows nothing of how waits are kept."""
