"""Tools of MCP servers as a run has listed them. Knows nothing of protocols and connections."""
