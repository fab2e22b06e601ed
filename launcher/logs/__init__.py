"""The log of workers: read, bounded, reported at the end. Knows no pool and no job."""
