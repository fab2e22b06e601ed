"""Profiles of a job, for people and other programs. Knows nothing of how workers take them."""
