// The same call as a command and as programs. Names and arguments are quoted for each language, since they are not trusted.

import { message } from "./client";
import { requestHeaders } from "./headers";
import type { Target } from "./call";
import { clientUrl, settings } from "./settings";

export interface Snippet {
  label: string;
  code: string;
}

/** Quotes a word for a POSIX shell. */
export function shell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

export function snippets(target: Target): Snippet[] {
  return [
    { label: "curl", code: curl(target) },
    { label: "TypeScript", code: typescript(target) },
    { label: "Python", code: python(target) },
  ];
}

function curl({ method, params, schema }: Target): string {
  const headers = Object.entries(requestHeaders(method, params, schema)).map(([name, value]) => `-H ${shell(`${name}: ${value}`)}`);
  if (settings.auth) headers.push('-H "Authorization: Bearer $TOKEN"');
  const body = JSON.stringify(message(1, method, params, false));
  return [`curl -s ${shell(clientUrl)}`, ...headers, `-d ${shell(body)}`].join(" \\\n  ");
}

function typescript({ method, params }: Target): string {
  const json = JSON.stringify(params, null, 2).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
  const functions = { "tools/call": "callTool", "prompts/get": "getPrompt", "resources/read": "readResource" };
  const options = settings.auth ? ", {\n  requestInit: { headers: { Authorization: `Bearer ${process.env.TOKEN}` } },\n}" : "";
  return `// npm install @modelcontextprotocol/client
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const client = new Client({ name: "example", version: "1.0.0" });
const url = new URL(${JSON.stringify(clientUrl)});
await client.connect(new StreamableHTTPClientTransport(url${options}));
console.log(await client.${functions[method]}(${json}));
await client.close();
`;
}

function python({ method, params }: Target): string {
  // A JSON string is a Python string too.
  const name = JSON.stringify(params["name"] ?? params["uri"]);
  const given = `json.loads(${JSON.stringify(JSON.stringify(params["arguments"] ?? {}))})`;
  const calls = {
    "tools/call": `call_tool(${name}, ${given})`,
    "prompts/get": `get_prompt(${name}, ${given})`,
    "resources/read": `read_resource(${name})`,
  };
  const auth = settings.auth ? ', auth=os.environ["TOKEN"]' : "";
  return `# pip install fastmcp
import asyncio, json, os
from fastmcp import Client

async def main():
    async with Client(${JSON.stringify(clientUrl)}${auth}) as client:
        print(await client.${calls[method]})

asyncio.run(main())
`;
}
