"""What a user writes an agent against. Knows no process, socket or file."""
