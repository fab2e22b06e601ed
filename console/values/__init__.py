"""Keys and values that agents have stored, as JSON that people read. Knows nothing of terminals."""
