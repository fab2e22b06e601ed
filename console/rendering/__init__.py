"""Stored values as bounded JSON; those of classes by a child process. Knows nothing of requests."""
