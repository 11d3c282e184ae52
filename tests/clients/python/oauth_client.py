"""The Python SDK's client with its own OAuth implementation. It takes the commands of ../node/oauth-driver.mjs.

Usage: oauth_client.py URL [CLIENT_ID [CLIENT_SECRET ISSUER]]
With a secret it acts without a user (client credentials grant). Without CLIENT_ID it registers itself.
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


def send(message: dict) -> None:
    print(json.dumps(message), flush=True)


async def receive() -> dict | None:
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    return json.loads(line) if line else None


class MemoryStorage:
    """Token storage of the SDK, in memory."""

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


async def redirect_user(url: str) -> None:
    send({"authorize": url})


async def wait_for_callback() -> AuthorizationCodeResult:
    message = await receive()
    parameters = dict(parse_qsl(urlsplit(message["callback"]).query))
    if "error" in parameters:
        raise OAuthFlowError(parameters["error"])
    return AuthorizationCodeResult(**parameters)


def oauth(url: str, storage: MemoryStorage, identity: list[str]) -> OAuthClientProvider:
    if len(identity) > 1:
        client_id, secret, issuer = identity
        return ClientCredentialsOAuthProvider(url, storage, client_id, secret, issuer=issuer)
    metadata = OAuthClientMetadata(
        client_name="toolcrib-tests", redirect_uris=[CALLBACK], token_endpoint_auth_method="none"
    )
    return OAuthClientProvider(url, metadata, storage, redirect_user, wait_for_callback)


async def main(url: str, identity: list[str]) -> None:
    storage = MemoryStorage(identity[0] if identity else None)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(auth=oauth(url, storage, identity)))
        client: Client | None = None
        while request := await receive():
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
                        done = storage.tokens and storage.tokens.access_token
                send({"done": done})
            except Exception as error:
                send({"failed": repr(error)})


if __name__ == "__main__":
    # Failures are reported in the reply; without this handler the library prints them as well.
    logging.getLogger("mcp").addHandler(logging.NullHandler())
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
