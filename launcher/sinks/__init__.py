"""Write outputs to lists and JSON lines. Knows no worker."""
