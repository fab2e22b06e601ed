"""What `tamias top` shows: workers, their use, what they execute. Knows nothing of terminals."""
