// Calls tools with the TypeScript client (2.x) and prints what it saw as JSON.
// Usage: modern.mjs URL TOKEN MODE CALLS
// MODE: auto, legacy, or a protocol revision. CALLS: [{"name": …, "arguments": …}]
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const [url, token, mode, calls] = process.argv.slice(2);
const client = new Client(
  { name: "toolcrib-tests", version: "1.0.0" },
  { versionNegotiation: { mode: /^\d/.test(mode) ? { pin: mode } : mode } },
);
const transport = new StreamableHTTPClientTransport(new URL(url), {
  requestInit: { headers: { Authorization: `Bearer ${token}` } },
});
await client.connect(transport);
const progress = [];
const listed = await client.listTools();
const results = [];
for (const call of JSON.parse(calls)) {
  const onprogress = (event) => progress.push(event.progress);
  results.push(await client.callTool(call, { onprogress }));
}
const seen = {
  version: transport.protocolVersion ?? client.getNegotiatedProtocolVersion?.(),
  tools: listed.tools.map((tool) => tool.name),
  results,
  progress,
};
await client.close();
console.log(JSON.stringify(seen));
