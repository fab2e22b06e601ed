"""One key's memory in layers, and the object that an action holds. Knows no transaction."""
