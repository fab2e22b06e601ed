"""Importing the agent: find it, guard the process, know its code. Knows no worker."""
