"""What a terminal shows of running jobs and deployments. Knows no command."""
