"""Owns what all stories of applications share: how they are told, and reading what a call gave back."""

import asyncio

from mcp.types import CallToolResult


def text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content)


class Story:
    """`mode` says of which era the application is, `engine` gives the address of a database."""

    mode: str
    engine: staticmethod

    async def asyncSetUp(self) -> None:
        # unittest switches this on, and asyncio then reports every start of a server as a slow step.
        asyncio.get_running_loop().set_debug(False)
