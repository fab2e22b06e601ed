"""Calls that need admission by limits. Knows nothing of who counts, and where."""
