"""Skills in folders, and the commands that they may run. Knows nothing of models."""
