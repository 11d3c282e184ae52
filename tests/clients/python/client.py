"""A Python client that executes a list of steps and prints its observations as JSON.

Usage: client.py LIBRARY URL TOKEN MODE INPUT
LIBRARY: mcp or fastmcp. MODE: auto, legacy, or a protocol revision. INPUT and output: see ../node/steps.mjs.
"""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

import anyio
import httpx2
import mcp
import mcp_types as types
from fastmcp import Client as FastClient
from mcp.client.streamable_http import streamable_http_client

ANSWERS: dict = {}


async def user(_context, params) -> types.ElicitResult:
    """The user: fills in each field of a form from ANSWERS."""
    fields = params.requested_schema["properties"]
    return types.ElicitResult(action="accept", content={field: ANSWERS[field] for field in fields})


async def model(_context, _params) -> types.CreateMessageResult:
    """The model: returns the same text for every request."""
    content = types.TextContent(type="text", text=ANSWERS["model"])
    return types.CreateMessageResult(role="assistant", content=content, model="test")


class Sdk:
    """The client of the official SDK."""

    @staticmethod
    @asynccontextmanager
    async def connect(url: str, token: str, mode: str):
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(headers=headers) as http:
            transport = streamable_http_client(url, http_client=http)
            async with mcp.Client(
                transport, mode=mode, elicitation_callback=user, sampling_callback=model
            ) as client:
                yield client

    @staticmethod
    async def call(client, step: dict, on_progress):
        return await client.call_tool(
            step["name"], step["arguments"], progress_callback=on_progress
        )

    tools = mcp.Client.list_tools
    resources = mcp.Client.list_resources
    templates = mcp.Client.list_resource_templates
    prompts = mcp.Client.list_prompts
    read = mcp.Client.read_resource
    prompt = mcp.Client.get_prompt
    complete = mcp.Client.complete


class Fast:
    """The client of FastMCP, used through its methods that return MCP results."""

    @staticmethod
    @asynccontextmanager
    async def connect(url: str, token: str, mode: str):
        async def elicit(_message, _type, params, context):
            return await user(context, params)

        async def sample(_messages, params, context):
            return await model(context, params)

        async with FastClient(
            url, auth=token, mode=mode, elicitation_handler=elicit, sampling_handler=sample
        ) as client:
            yield client

    @staticmethod
    async def call(client, step: dict, on_progress):
        return await client.call_tool_mcp(
            step["name"], step["arguments"], progress_handler=on_progress
        )

    tools = FastClient.list_tools_mcp
    resources = FastClient.list_resources_mcp
    templates = FastClient.list_resource_templates_mcp
    prompts = FastClient.list_prompts_mcp
    read = FastClient.read_resource_mcp
    prompt = FastClient.get_prompt_mcp
    complete = FastClient.complete_mcp


async def execute(library, client, step: dict, progress: list[float]):
    """Executes one step."""
    match step["do"]:
        case "tools":
            return (await library.tools(client)).tools
        case "resources":
            return (await library.resources(client)).resources
        case "templates":
            return (await library.templates(client)).resource_templates
        case "prompts":
            return (await library.prompts(client)).prompts
        case "read":
            return await library.read(client, step["uri"])
        case "prompt":
            return await library.prompt(client, step["name"], step["arguments"])
        case "complete":
            ref = types.PromptReference(type="ref/prompt", name=step["prompt"])
            argument = {"name": step["argument"], "value": step["value"]}
            return await library.complete(client, ref, argument)
        case "call" | "cancel":
            with anyio.CancelScope() as scope:

                async def on_progress(done: float, _total: float | None, _message: str | None):
                    progress.append(done)
                    if step["do"] == "cancel":
                        scope.cancel()

                return await library.call(client, step, on_progress)
            raise RuntimeError("cancelled")
        case other:
            raise RuntimeError(f"unknown step: {other}")


async def main(library, url: str, token: str, mode: str, steps: list[dict]) -> dict:
    observations = []
    async with library.connect(url, token, mode) as client:
        for step in steps:
            progress: list[float] = []
            try:
                result = to_json(await execute(library, client, step, progress))
                observations.append({"result": result, "progress": progress})
            except Exception as error:
                code = getattr(error, "code", None)
                observations.append({"code": code, "failed": str(error), "progress": progress})
        return {"version": client.protocol_version, "steps": observations}


def to_json(value):
    """Converts MCP types to their JSON form."""
    if isinstance(value, list):
        return [to_json(item) for item in value]
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


if __name__ == "__main__":
    library, url, token, mode, text = sys.argv[1:]
    given = json.loads(text)
    ANSWERS.update(given["answers"])
    library = {"mcp": Sdk, "fastmcp": Fast}[library]
    print(json.dumps(asyncio.run(main(library, url, token, mode, given["steps"]))))
