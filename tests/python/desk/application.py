"""Owns one MCP application on the desk of one person: the SDK's client, its memory, and how it asks for a browser."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx2
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.session import ElicitationFnT, MessageHandlerFnT
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from desk.callback import Callback
from desk.server import REPOSITORY, Server

PERSON = REPOSITORY / "tests/clients/lib"


def _person(script: str, server: Server, url: str, *more: str) -> str:
    """Lets the demo's person do something in a browser: what they read."""
    command = ["node", PERSON / script, url, server.demo["email"], server.demo["password"], *more]
    visit = subprocess.run(command, capture_output=True, text=True)
    if visit.returncode != 0:
        raise RuntimeError(f"the person did not get through\n{visit.stderr}")
    return visit.stdout


async def authorise(server: Server, alias: str) -> str:
    """Lets the person connect the gateway to an upstream server at its own authorization server: the connection's page."""
    return await asyncio.to_thread(_person, "authorise.mjs", server, f"{server.origin}/connections/{alias}")


async def decide(server: Server, url: str, decision: str) -> str:
    """Lets the person `approve` or `deny` the newest call on this page: what stands there of it."""
    return await asyncio.to_thread(_person, "approve.mjs", server, url, decision)


class Memory:
    """What the application must remember about its sign-in (the SDK's `TokenStorage`)."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class NobodyThere(Exception):
    """The application asked for a browser, and its person has left."""


@contextmanager
def unpacked() -> Iterator[None]:
    """Takes the one exception out of the groups in which task groups wrap it."""
    try:
        yield
    except BaseExceptionGroup as group:
        inner: BaseException = group
        while isinstance(inner, BaseExceptionGroup):
            (inner,) = inner.exceptions
        raise inner from None


class Application:
    """One installed application. `mode` is the SDK's: `legacy` (with sessions) or `auto` (2026-07-28 where offered)."""

    # Who answers the forms of servers; nobody, unless a story says so.
    asked: ElicitationFnT | None = None
    # Who hears what the server tells unasked; nobody, unless a story says so.
    told: MessageHandlerFnT | None = None

    def __init__(self, mode: str, server: Server, callback: Callback) -> None:
        self.mode = mode
        self.memory = Memory()
        self.person_is_there = True
        self.consents: list[str] = []
        self.redirects = 0
        self.refusals: list[httpx2.Response] = []
        self._server = server
        self._callback = callback

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Client]:
        """A connection with what the application remembers. It signs its person in where it has to."""
        provider = OAuthClientProvider(
            server_url=self._server.demo["mcp_url"],
            client_metadata=OAuthClientMetadata(client_name="Story Teller", redirect_uris=[self._callback.url]),
            storage=self.memory,
            redirect_handler=self._redirect,
            callback_handler=self._bring_back,
        )
        hooks = {"response": [self._note]}
        async with (
            httpx2.AsyncClient(auth=provider, event_hooks=hooks, timeout=30) as http,
            Client(
                streamable_http_client(self._server.demo["mcp_url"], http_client=http),
                mode=self.mode,
                elicitation_callback=self.asked,
                message_handler=self.told,
            ) as client,
        ):
            yield client

    async def _note(self, response: httpx2.Response) -> None:
        if "www-authenticate" in response.headers:
            self.refusals.append(response)

    async def _redirect(self, url: str) -> None:
        self.redirects += 1
        if not self.person_is_there:
            raise NobodyThere
        self.consents.append(await asyncio.to_thread(_person, "visit.mjs", self._server, url))

    async def _bring_back(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**await asyncio.to_thread(self._callback.answer))
