"""Read inputs from lists, JSON lines, CSV and dead letters. Knows no worker."""
