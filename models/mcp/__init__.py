"""MCP servers: their tools, prompts and resources; workers import no SDK. Knows no pool."""
