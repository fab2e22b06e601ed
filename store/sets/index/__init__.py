"""Vectors and inverted lists as bytes, and ranking. Knows nothing of LMDB."""
