"""A pool that takes inputs from clients and answers them. Knows no terminal or deployment."""
