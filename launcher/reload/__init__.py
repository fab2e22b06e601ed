"""Replace the code of a running pool: decide, carry out, roll back. Knows no source or sink."""
