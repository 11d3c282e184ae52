"""A client of the Python SDK 1.x that executes a list of steps and prints its observations as JSON.

Usage: older_client.py URL TOKEN MODE INPUT
MODE: http, or stdio; for stdio, URL is the command of the server as a JSON list and TOKEN is ignored. INPUT and output:
see ../node/steps.mjs. These versions can neither answer elicitation nor cancel a call at the server.
"""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

import anyio
import mcp.types as types
from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

ANSWERS: dict = {}


async def model(_context, _params) -> types.CreateMessageResult:
    """The model: returns the same text for every request."""
    content = types.TextContent(type="text", text=ANSWERS["model"])
    return types.CreateMessageResult(role="assistant", content=content, model="test")


@asynccontextmanager
async def streams(url: str, token: str, mode: str):
    if mode == "stdio":
        command, *args = json.loads(url)
        async with stdio_client(StdioServerParameters(command=command, args=args)) as (read, write):
            yield read, write
    else:
        # Older versions lack this transport.
        from mcp.client.streamable_http import streamablehttp_client

        headers = {"Authorization": f"Bearer {token}"}
        async with streamablehttp_client(url, headers=headers) as (read, write, _):
            yield read, write


async def execute(session: ClientSession, step: dict, progress: list[float], reports: bool):
    """Executes one step."""
    match step["do"]:
        case "tools":
            return (await session.list_tools()).tools
        case "resources":
            return (await session.list_resources()).resources
        case "templates":
            return (await session.list_resource_templates()).resourceTemplates
        case "prompts":
            return (await session.list_prompts()).prompts
        case "read":
            return await session.read_resource(step["uri"])
        case "prompt":
            return await session.get_prompt(step["name"], step["arguments"])
        case "complete":
            ref = types.PromptReference(type="ref/prompt", name=step["prompt"])
            return await session.complete(ref, {"name": step["argument"], "value": step["value"]})
        case "call":

            async def on_progress(done: float, _total: float | None, _message: str | None):
                progress.append(done)

            options = {"progress_callback": on_progress} if reports else {}
            return await session.call_tool(step["name"], step["arguments"], **options)
        case other:
            raise RuntimeError(f"unknown step: {other}")


async def discard_messages(session: ClientSession):
    """Receives notifications: the session of version 1.3 waits until somebody has received each."""
    if hasattr(session, "incoming_messages"):
        async for _ in session.incoming_messages:
            pass


async def main(url: str, token: str, mode: str, steps: list[dict]) -> dict:
    observations = []
    reports = "progress_callback" in ClientSession.call_tool.__annotations__
    async with streams(url, token, mode) as (read, write):
        async with (
            ClientSession(read, write, sampling_callback=model) as session,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(discard_messages, session)
            version = (await session.initialize()).protocolVersion
            for step in steps:
                progress: list[float] = []
                try:
                    result = to_json(await execute(session, step, progress, reports))
                    observations.append({"result": result, "progress": progress})
                except Exception as error:
                    code = getattr(getattr(error, "error", None), "code", None)
                    observations.append(
                        {"code": code, "failed": str(error), "progress": progress}
                    )
            tasks.cancel_scope.cancel()
    return {"version": version, "steps": observations}


def to_json(value):
    """Converts MCP types to their JSON form."""
    if isinstance(value, list):
        return [to_json(item) for item in value]
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


if __name__ == "__main__":
    url, token, mode, text = sys.argv[1:]
    given = json.loads(text)
    ANSWERS.update(given["answers"])
    print(json.dumps(asyncio.run(main(url, token, mode, given["steps"]))))
