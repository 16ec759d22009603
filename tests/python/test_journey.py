"""The journey of the MCP Python SDK: 401, discovery, registration, sign-in, consent, tools, silent refresh, revocation.

Every story is told in both eras of the protocol and on every engine. `scripts/test` runs them; by hand, in this folder,
after a debug build and `npm ci` in tests/clients:

    python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python -m unittest
"""

import asyncio
import unittest
from collections.abc import Iterator
from contextlib import contextmanager

from desk import callback, server
from desk.application import Application, NobodyThere, unpacked
from desk.engines import ENGINES
from desk.story import Story, text

# The SDK's name of each era, and the revision that comes of it.
ERAS = {"legacy": "2025-11-25", "auto": "2026-07-28"}
ECHO = ("sandbox__echo", {"message": "hello"})
LIST_FILES = ("sandbox__list_files", {})


class Journey(Story):
    """The stories."""

    @contextmanager
    def stage(self, **settings: int) -> Iterator[tuple[server.Server, Application]]:
        with (
            self.engine() as database,
            server.running(database, settings) as running,
            callback.listening() as listener,
        ):
            try:
                yield running, Application(self.mode, running, listener)
            except Exception as error:
                error.add_note(f"--- the server's log ---\n{running.log}")
                raise

    async def test_signs_its_user_in_lists_the_tools_and_calls_two(self) -> None:
        with self.stage() as (_, application):
            async with application.connected() as client:
                self.assertEqual(client.protocol_version, ERAS[self.mode])
                # What this SDK asks for when nobody tells it otherwise.
                self.assertEqual(application.memory.client.token_endpoint_auth_method, "client_secret_basic")
                refusal = application.refusals[0]
                self.assertEqual(refusal.status_code, 401)
                self.assertRegex(refusal.headers["www-authenticate"], r'^Bearer .*resource_metadata="')
                self.assertEqual(application.redirects, 1)
                self.assertIn("Story Teller", application.consents[0])
                self.assertIn("127.0.0.1", application.consents[0])

                names = [tool.name for tool in (await client.list_tools()).tools]
                self.assertIn(ECHO[0], names)
                self.assertIn(LIST_FILES[0], names)

                echoed = await client.call_tool(*ECHO)
                self.assertFalse(echoed.is_error)
                self.assertIn("hello", text(echoed))
                listed = await client.call_tool(*LIST_FILES)
                self.assertFalse(listed.is_error)
                self.assertNotEqual(text(listed), "")

            async with application.connected() as client:
                self.assertIn("hello", text(await client.call_tool(*ECHO)))
            self.assertEqual(application.redirects, 1)

    async def test_refreshes_silently_after_expiry(self) -> None:
        with self.stage(access_token_seconds=3) as (_, application):
            async with application.connected() as client:
                first = application.memory.tokens
                # This SDK refreshes when its own clock says so; a 401 would send the person to the browser again.
                await asyncio.sleep(first.expires_in + 0.1)
                await client.list_tools(cache_mode="bypass")

                second = application.memory.tokens
                self.assertNotEqual(second.access_token, first.access_token)
                self.assertNotEqual(second.refresh_token, first.refresh_token)
                self.assertIn("hello", text(await client.call_tool(*ECHO)))
                self.assertEqual(application.redirects, 1)

    async def test_loses_access_when_its_refresh_token_is_revoked(self) -> None:
        with self.stage() as (running, application):
            with self.assertLogs("mcp.client.auth.oauth2"), self.assertRaises(NobodyThere), unpacked():
                async with application.connected() as client:
                    await client.call_tool(*ECHO)
                    ours, token = application.memory.client, application.memory.tokens.refresh_token
                    self.assertEqual(running.revoke(token, ours.client_id, ours.client_secret), 200)
                    refusals, application.person_is_there = len(application.refusals), False

                    await client.call_tool(*ECHO)

            refusal = application.refusals[refusals]
            self.assertEqual(refusal.status_code, 401)
            self.assertIn('error="invalid_token"', refusal.headers["www-authenticate"])
            self.assertEqual(application.redirects, 2)


for mode, revision in ERAS.items():
    for engine in ENGINES:
        title = f"Journey at {revision} on {engine.__name__}"
        told = {"mode": mode, "engine": staticmethod(engine)}
        globals()[title] = type(title, (Journey, unittest.IsolatedAsyncioTestCase), told)
