"""Functions as endpoints; keys and places in addresses. Knows nothing of what is asked."""
