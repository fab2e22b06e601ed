"""Commands that show where the time of a job goes. Knows nothing of how that is found out."""
