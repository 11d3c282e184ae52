"""The Python SDK's client with its own OAuth, talked to as the other clients are: see ../node/oauth-conversation.mjs.

Usage: oauth_client.py URL [CLIENT_ID [CLIENT_SECRET ISSUER]]
With a secret it has no person behind it (client credentials); without CLIENT_ID it registers.
"""

import asyncio
import json
import logging
import sys
from contextlib import AsyncExitStack
from urllib.parse import parse_qsl, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider, OAuthFlowError
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

CALLBACK = "http://127.0.0.1/callback"


def say(message: dict) -> None:
    print(json.dumps(message), flush=True)


async def hear() -> dict | None:
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    return json.loads(line) if line else None


class Memory:
    """What an OAuth client has to keep."""

    def __init__(self, client_id: str | None) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None
        if client_id:
            self.client = OAuthClientInformationFull(
                client_id=client_id, redirect_uris=[CALLBACK], token_endpoint_auth_method="none"
            )

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


async def go(url: str) -> None:
    say({"authorize": url})


async def come_back() -> AuthorizationCodeResult:
    heard = await hear()
    parameters = dict(parse_qsl(urlsplit(heard["callback"]).query))
    if "error" in parameters:
        raise OAuthFlowError(parameters["error"])
    return AuthorizationCodeResult(**parameters)


def oauth(url: str, memory: Memory, identity: list[str]) -> OAuthClientProvider:
    if len(identity) > 1:
        client_id, secret, issuer = identity
        return ClientCredentialsOAuthProvider(url, memory, client_id, secret, issuer=issuer)
    metadata = OAuthClientMetadata(
        client_name="toolcrib-tests", redirect_uris=[CALLBACK], token_endpoint_auth_method="none"
    )
    return OAuthClientProvider(url, metadata, memory, go, come_back)


async def main(url: str, identity: list[str]) -> None:
    memory = Memory(identity[0] if identity else None)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(auth=oauth(url, memory, identity)))
        client: Client | None = None
        while request := await hear():
            try:
                match request["do"]:
                    case "connect":
                        transport = streamable_http_client(url, http_client=http)
                        client = await stack.enter_async_context(Client(transport, mode="auto"))
                        done = {"revision": client.protocol_version, "session": False}
                    case "tools":
                        done = [tool.name for tool in (await client.list_tools()).tools]
                    case "call":
                        result = await client.call_tool(request["name"], request["arguments"])
                        done = result.model_dump(mode="json", by_alias=True, exclude_none=True)
                    case "token":
                        done = memory.tokens and memory.tokens.access_token
                say({"done": done})
            except Exception as error:
                say({"failed": repr(error)})


if __name__ == "__main__":
    # What fails is answered; the library would print it as well.
    logging.getLogger("mcp").addHandler(logging.NullHandler())
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
