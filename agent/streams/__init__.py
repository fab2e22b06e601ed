"""What is shown of a call while it is under way. Knows nothing of who reads it."""
