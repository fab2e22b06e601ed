"""A running pool's control socket and command queue. Knows nothing of what a command does."""
