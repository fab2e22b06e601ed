"""Memory sets as the runs of a worker use them. Knows nothing of tables and searches."""
