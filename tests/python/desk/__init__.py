"""The desk of one person: a portcullis process, an MCP application with its memory, and a browser."""
