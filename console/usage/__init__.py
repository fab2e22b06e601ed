"""What calls with limits have used, and of what budgets. Knows nothing of how that is shown."""
