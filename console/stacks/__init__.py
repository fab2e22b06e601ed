"""Stacks of workers, also of those that do not answer. Knows nothing of commands."""
