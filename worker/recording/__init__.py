"""Records of runs, with all that is needed to execute them again. Knows nothing of debuggers."""
