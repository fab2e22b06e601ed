"""A worker's end of the connection to its launcher, and messages on it. Knows nothing of runs."""
