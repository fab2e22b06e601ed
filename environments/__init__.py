"""Python environments for workers: found, made, checked, cached. Knows no pool or job."""
