"""The command `limits`. Knows nothing of how permits are granted."""
