"""Options of what is kept for people who look at a job. Knows nothing of workers."""
