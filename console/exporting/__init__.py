"""What is exported of jobs: their series, read and made clean. Knows nothing of formats."""
