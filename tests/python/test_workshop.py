"""An upstream server of the MCP Python SDK with OAuth of its own behind the gateway: the person connects it in a browser, and
an application of the same SDK uses it in both eras. `test_journey.py` says how to run this by hand."""

import asyncio
import subprocess
import sys
import time
import unittest
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.error import HTTPError
from urllib.request import urlopen

from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitRequestParams, ElicitResult

from desk import callback, server
from desk.application import Application, authorise
from desk.engines import ENGINES
from desk.story import Story
from desk.workshop import ACCOUNT, LIFE_SECONDS, PNG, SCOPE

MODES = ["legacy", "auto"]
START_SECONDS = 20


@contextmanager
def workshop() -> Iterator[str]:
    """The upstream server, as a process of its own: its address."""
    port = server.free_port()
    process = subprocess.Popen([sys.executable, "-m", "desk.workshop", str(port)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(f"http://127.0.0.1:{port}/.well-known/oauth-authorization-server"):
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError("the workshop did not open")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urlopen(url):
            return True
    except HTTPError:
        return True
    except OSError:
        return False


class Workshop(Story):
    """The stories."""

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Client]:
        """The workshop in the catalogue, connected by the person, and an application that uses it."""
        with (
            self.engine() as database,
            workshop() as url,
            server.running(database, {}) as running,
            callback.listening() as listener,
        ):
            try:
                owner = running.demo["email"]
                running.run("server", "add", "--slug", "workshop", "--url", url, "--auth", "oauth", "--new-tools", "allow")
                running.run("connection", "add", "--user", owner, "--server", "workshop", "--alias", "shop")
                self.page = await authorise(running, "shop")
                application = Application(self.mode, running, listener)
                application.asked = self.answer
                async with application.connected() as client:
                    yield client
            except Exception as error:
                error.add_note(f"--- the server's log ---\n{running.log}")
                raise

    async def answer(self, _: object, params: ElicitRequestParams) -> ElicitResult:
        self.questions.append(params.message)
        return ElicitResult(action="accept", content={"centimetres": 120})

    async def test_is_used_with_the_persons_own_account(self) -> None:
        self.questions: list[str] = []
        async with self.connected() as client:
            self.assertIn("Its tools", self.page)
            await self._uses_everything(client)
            # The gateway's token for the workshop has expired by then; nobody but the gateway has to do with that.
            await asyncio.sleep(LIFE_SECONDS + 0.1)
            await self._asks_who_it_is(client)

    async def _asks_who_it_is(self, client: Client) -> None:
        known = await client.call_tool("shop__whoami", {})
        self.assertEqual(known.structured_content, {"name": ACCOUNT, "scopes": [SCOPE]})

    async def _uses_everything(self, client: Client) -> None:
        names = [tool.name for tool in (await client.list_tools()).tools]
        self.assertLessEqual({"shop__whoami", "shop__paint", "shop__count", "shop__cut"}, set(names))
        await self._asks_who_it_is(client)

        (picture,) = (await client.call_tool("shop__paint", {})).content
        self.assertEqual(picture.mime_type, "image/png")
        self.assertEqual(b64decode(picture.data), PNG)

        heard: list[float] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            heard.append(progress)

        counted = await client.call_tool("shop__count", {"until": 3}, progress_callback=hear)
        self.assertEqual((counted.structured_content, heard), ({"result": 3}, [1, 2, 3]))

        broken = await client.call_tool("shop__break_something", {})
        self.assertTrue(broken.is_error)
        self.assertIn("the saw is blunt", broken.content[0].text)
        with self.assertRaises(MCPError):
            await client.call_tool("shop__there_is_no_such_tool", {})

        board = await client.call_tool("shop__cut", {})
        self.assertEqual(board.content[0].text, "a board of 120 cm", board)
        self.assertEqual(self.questions, ["shop: How long shall the board be?"])

        read = await client.read_resource("shop+workshop://boards/oak")
        self.assertEqual(read.contents[0].text, "a board of oak")
        plan = await client.get_prompt("shop__plan", {"thing": "chair"})
        self.assertEqual(plan.messages[0].content.text, "How do I build a chair?")

        # A call that is given up is given up, and the next one is answered.
        waiting = asyncio.create_task(client.call_tool("shop__wait", {}))
        await asyncio.sleep(0.2)
        waiting.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await waiting
        await self._asks_who_it_is(client)


for mode in MODES:
    for engine in ENGINES:
        title = f"Workshop of {mode} applications on {engine.__name__}"
        told = {"mode": mode, "engine": staticmethod(engine)}
        globals()[title] = type(title, (Workshop, unittest.IsolatedAsyncioTestCase), told)
