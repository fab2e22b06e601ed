"""What importing the agent does to its process, and what it may not do. Knows no worker."""
