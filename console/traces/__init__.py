"""What runs have done, read from the event log of a job. Knows nothing of how it is written."""
