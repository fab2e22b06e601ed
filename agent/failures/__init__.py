"""Errors as text and as JSON, to be reported. Knows nothing of who reads them."""
