"""The `tamias` command: flags, messages, exit codes. Knows nothing of how a job works."""
