"""One recorded run again, under a debugger, on a copy. Knows nothing of commands."""
