"""The workers of a job, asked or looked at from outside. Knows nothing of what is shown of it."""
