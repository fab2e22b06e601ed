"""Shows running jobs and deployments on a terminal. Knows no command."""
