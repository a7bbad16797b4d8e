"""MCP servers as tool sources: over streamable HTTP, or as a process that the installation names."""
