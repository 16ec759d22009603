"""A call of the MCP Python SDK that waits for a person: how its application learns of that in both eras, and what comes of
the decision on the real page. `test_journey.py` says how to run this by hand.

An application of this SDK that answers questions declares that it shows forms and opens addresses, both or neither, so that
the rungs for forms alone are not told here; and it always offers 2025-11-25 where it speaks with sessions, so that 2025-06-18
is not. tests/clients/ladder.test.mjs tells both."""

import asyncio
import re
import unittest
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp import MCPError, UrlElicitationRequiredError
from mcp.client import Client
from mcp.client.session import IncomingMessage
from mcp.types import (
    CallToolResult,
    ElicitCompleteNotification,
    ElicitRequestParams,
    ElicitRequestURLParams,
    ElicitResult,
)

from desk import callback, server
from desk.application import Application, decide
from desk.engines import ENGINES
from desk.story import Story, text

MODES = ["legacy", "auto"]
DENIED = "NOT EXECUTED. The user denied this call."
CODE = re.compile(r"code ([A-Z]{4})\b", re.IGNORECASE)
# Each decision, and how what the application is told of it begins.
ENDS = {"approve": "Created ", "deny": DENIED}


async def create(client: Client, title: str) -> CallToolResult:
    return await client.call_tool("sandbox__create_note", {"title": title, "text": "Buy milk"})


class Approvals(Story):
    """The stories."""

    @asynccontextmanager
    async def connected(self, able: bool) -> AsyncIterator[Client]:
        """An application that is signed in. `able`: it puts questions before its person."""
        self.deciding: list[asyncio.Task[str]] = []
        self.completed: asyncio.Queue[str] = asyncio.Queue()
        with self.engine() as database, server.running(database, {}) as self.server, callback.listening() as listener:
            try:
                application = Application(self.mode, self.server, listener)
                application.told = self.hear
                application.asked = self.answer if able else None
                async with application.connected() as client:
                    yield client
            except Exception as error:
                error.add_note(f"--- the server's log ---\n{self.server.log}")
                raise

    async def answer(self, _: object, params: ElicitRequestParams) -> ElicitResult:
        """Opens the address that the server names, and lets its person decide there while the call is held."""
        self.assertIsInstance(params, ElicitRequestURLParams)
        self.asked.append(params.message)
        if self.decision is None:
            return ElicitResult(action="decline")
        self.deciding.append(asyncio.create_task(self.decided(params, self.decision)))
        return ElicitResult(action="accept")

    async def decided(self, params: ElicitRequestURLParams, decision: str) -> str:
        """What the page says of the call, on which stands the code that the application shows."""
        self.assertTrue(params.url.startswith(f"{self.server.origin}/approvals/apr_"), params.url)
        card = await decide(self.server, params.url, decision)
        self.assertIn(CODE.search(params.message)[1], card)
        return card

    async def hear(self, message: IncomingMessage) -> None:
        if isinstance(message, ElicitCompleteNotification):
            await self.completed.put(message.params.elicitation_id)

    async def test_is_told_an_address_where_it_can_open_one(self) -> None:
        self.asked: list[str] = []
        async with self.connected(able=True) as client:
            for title, self.decision in enumerate(ENDS):
                await (self.by_error if self.mode == "legacy" else self.in_a_round)(client, str(title))
            if self.mode == "auto":
                await self.honours_the_applications_no(client)

    async def in_a_round(self, client: Client, title: str) -> None:
        result = await create(client, title)
        self.assertTrue(text(result).startswith(ENDS[self.decision]), text(result))
        await self.deciding.pop()
        self.assertEqual(len(self.asked), int(title) + 1)

    async def by_error(self, client: Client, title: str) -> None:
        with self.assertRaises(MCPError) as refused:
            await create(client, title)
        (asked,) = UrlElicitationRequiredError.from_error(refused.exception.error).elicitations
        await self.decided(asked, self.decision)
        self.assertEqual(await self.completed.get(), asked.elicitation_id)
        self.assertTrue(text(await create(client, title)).startswith(ENDS[self.decision]))

    async def honours_the_applications_no(self, client: Client) -> None:
        """ELIC-7: and is not asked about the same call again."""
        self.asked, self.decision = [], None
        for _ in range(2):
            self.assertTrue(text(await create(client, "no")).startswith(DENIED))
        self.assertEqual(len(self.asked), 1)

    async def test_reads_what_to_do_where_it_cannot_ask(self) -> None:
        async with self.connected(able=False) as client:
            waits = text(await create(client, "one"))
            self.assertTrue(waits.startswith("NOT EXECUTED. This call needs the user's approval."), waits)
            card = await decide(self.server, f"{self.server.origin}/approvals", "approve")
            self.assertIn(CODE.search(waits)[1], card)
            self.assertTrue(text(await create(client, "one")).startswith(ENDS["approve"]))


for mode in MODES:
    for engine in ENGINES:
        title = f"Approvals of {mode} applications on {engine.__name__}"
        told = {"mode": mode, "engine": staticmethod(engine)}
        globals()[title] = type(title, (Approvals, unittest.IsolatedAsyncioTestCase), told)
