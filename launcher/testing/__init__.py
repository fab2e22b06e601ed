"""Running an agent inside a test. Knows nothing of processes and terminals."""
