"""What users write agents against. Knows no process, socket or file."""
