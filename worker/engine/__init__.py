"""Agent runs: perform actions, commit in groups, report. Knows no socket and no other worker."""
