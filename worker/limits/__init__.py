"""Admission of calls by limits: ask, wait, count what was used. Knows nothing of sockets."""
