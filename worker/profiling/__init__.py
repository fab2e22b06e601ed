"""Where a worker spends its time: samples of its stacks, folded. Knows nothing of runs."""
