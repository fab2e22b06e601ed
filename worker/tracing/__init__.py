"""What runs have done, as records of the event log. Knows nothing of how runs are performed."""
