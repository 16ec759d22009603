"""Owns an upstream server written with the Python SDK, in both eras of the protocol, with an authorization server of its
own that knows one person and needs no page to say yes. As a program: `python -m desk.workshop PORT`."""

import secrets
import sys
import time
from typing import Annotated

import anyio
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import BaseModel

SCOPE = "workshop"
ACCOUNT = "ada at the workshop"
# Short enough for a story to wait for, so that the gateway refreshes by itself.
LIFE_SECONDS = 4
PNG = b"\x89PNG\r\n\x1a\n"


class Office(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """The authorization server: everything in memory, each refresh token good for one use."""

    def __init__(self) -> None:
        self._clients: dict[str, OAuthClientInformationFull] = {}
        self._codes: dict[str, AuthorizationCode] = {}
        self._access: dict[str, AccessToken] = {}
        self._refresh: dict[str, RefreshToken] = {}

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self._clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        self._clients[client_info.client_id] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        code = secrets.token_urlsafe(32)
        self._codes[code] = AuthorizationCode(
            code=code,
            scopes=params.scopes or [SCOPE],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
            subject=ACCOUNT,
        )
        return construct_redirect_uri(str(params.redirect_uri), code=code, state=params.state)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self._codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        del self._codes[authorization_code.code]
        return self._tokens(authorization_code)

    async def load_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: str
    ) -> RefreshToken | None:
        return self._refresh.get(refresh_token)

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        del self._refresh[refresh_token.token]
        return self._tokens(refresh_token)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self._access.get(token)

    def _tokens(self, grant: AuthorizationCode | RefreshToken) -> OAuthToken:
        access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        what = {"client_id": grant.client_id, "scopes": grant.scopes, "resource": grant.resource, "subject": grant.subject}
        self._access[access] = AccessToken(token=access, expires_at=int(time.time()) + LIFE_SECONDS, **what)
        self._refresh[refresh] = RefreshToken(token=refresh, **what)
        scope = " ".join(grant.scopes)
        return OAuthToken(access_token=access, refresh_token=refresh, expires_in=LIFE_SECONDS, scope=scope)


class Account(BaseModel):
    """Who calls, as this server knows them."""

    name: str
    scopes: list[str]


class Size(BaseModel):
    """What the person is asked."""

    centimetres: int


def workshop(port: int) -> MCPServer:
    """The server, with everything that a story asks of it."""
    origin = f"http://127.0.0.1:{port}"
    settings = AuthSettings(
        issuer_url=origin,
        resource_server_url=f"{origin}/mcp",
        validate_token_resource=True,
        required_scopes=[SCOPE],
        client_registration_options=ClientRegistrationOptions(enabled=True, valid_scopes=[SCOPE]),
    )
    server = MCPServer("workshop", auth_server_provider=Office(), auth=settings, log_level="WARNING")

    @server.tool()
    def whoami() -> Account:
        """Says for whom the token was issued."""
        token = get_access_token()
        return Account(name=token.subject, scopes=token.scopes)

    @server.tool()
    def paint() -> Image:
        """Gives a picture."""
        return Image(data=PNG, format="png")

    @server.tool()
    async def count(until: int, context: Context) -> int:
        """Counts, and says how far it is."""
        for number in range(1, until + 1):
            await context.report_progress(number, until)
        return until

    @server.tool()
    async def wait() -> str:
        """Takes longer than anybody waits."""
        await anyio.sleep(600)
        return "done"

    @server.tool()
    def break_something() -> str:
        """Fails, and says how."""
        raise ToolError("the saw is blunt")

    async def ask() -> Elicit[Size]:
        return Elicit("How long shall the board be?", Size)

    @server.tool()
    async def cut(size: Annotated[Size, Resolve(ask)]) -> str:
        """Cuts a board as the person wants it."""
        return f"a board of {size.centimetres} cm"

    @server.resource("workshop://boards/{wood}")
    def board(wood: str) -> str:
        """A board of a kind of wood."""
        return f"a board of {wood}"

    @server.prompt()
    def plan(thing: str) -> str:
        """Asks how to build something."""
        return f"How do I build a {thing}?"

    return server


if __name__ == "__main__":
    listening = int(sys.argv[1])
    workshop(listening).run(transport="streamable-http", port=listening)
