// Calls tools with the TypeScript SDK (1.x) and prints what it saw as JSON.
// Usage: legacy.mjs URL TOKEN CALLS   CALLS: [{"name": …, "arguments": …}]
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, token, calls] = process.argv.slice(2);
const client = new Client({ name: "toolcrib-tests", version: "1.0.0" });
const transport = new StreamableHTTPClientTransport(new URL(url), {
  requestInit: { headers: { Authorization: `Bearer ${token}` } },
});
await client.connect(transport);
const progress = [];
const listed = await client.listTools();
const results = [];
for (const call of JSON.parse(calls)) {
  const onprogress = (event) => progress.push(event.progress);
  results.push(await client.callTool(call, undefined, { onprogress }));
}
const seen = {
  version: transport.protocolVersion,
  tools: listed.tools.map((tool) => tool.name),
  results,
  progress,
};
await client.close();
console.log(JSON.stringify(seen));
