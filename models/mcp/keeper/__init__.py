"""The process that holds the sessions with MCP servers. Knows nothing of agents and runs."""
