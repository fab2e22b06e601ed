"""The commands `waiting` and `answer`."""
