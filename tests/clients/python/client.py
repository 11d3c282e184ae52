"""Calls tools with the Python SDK's own client and prints what it saw as JSON.

Usage: client.py URL TOKEN MODE CALLS
MODE: auto, legacy, or a protocol revision. CALLS: [{"name": …, "arguments": …}]
"""

import asyncio
import json
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, token: str, mode: str, calls: list[dict]) -> dict:
    progress: list[float] = []

    async def on_progress(done: float, total: float | None, message: str | None) -> None:
        progress.append(done)

    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            listed = await client.list_tools()
            results = []
            for call in calls:
                result = await client.call_tool(
                    call["name"], call["arguments"], progress_callback=on_progress
                )
                results.append(result.model_dump(mode="json", by_alias=True, exclude_none=True))
            return {
                "version": client.protocol_version,
                "tools": [tool.name for tool in listed.tools],
                "results": results,
                "progress": progress,
            }


if __name__ == "__main__":
    url, token, mode, calls = sys.argv[1:]
    print(json.dumps(asyncio.run(main(url, token, mode, json.loads(calls)))))
