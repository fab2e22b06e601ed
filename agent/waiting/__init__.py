"""Moments, questions and retries, as users write them. Knows nothing of how waits are kept."""
