"""Jobs from start to report: files, Python lists, retries of dead letters. Knows no terminal."""
