"""The dashboard: a page about jobs, served by a process of its own. Knows nothing of commands."""
