"""Decide who gets which input: a pure state machine. Knows no socket, process or clock."""
