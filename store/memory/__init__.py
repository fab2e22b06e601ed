"""What other programs read of the memory of a state. Knows nothing of workers and launchers."""
