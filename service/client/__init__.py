"""A client's side: submit inputs, wait for outputs. Knows no server."""
