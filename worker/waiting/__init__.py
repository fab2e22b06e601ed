"""Waiting in a worker: announce what is due, keep questions. Knows nothing of actions."""
