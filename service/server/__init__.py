"""A service's side: accept requests, record them, answer. Knows no client program."""
