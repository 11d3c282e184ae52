// Calls the host from a web page and reports which responses the browser let the page read.
// The page's own server provides `resource` and `token` at /settings and receives the report at /report.

const { resource, token } = await (await fetch("/settings")).json();
const REVISION = "2026-07-28";
const AUTHORIZATION = { Authorization: `Bearer ${token}` };
const CALLS = [
  { name: "echo", arguments: { text: "hé 世界" } },
  { name: "whoami", arguments: {} },
];

const anonymous = await observe(() => post("tools/list", {}));
const report = {
  anonymous,
  metadata: await observe(() => metadata(anonymous.challenge)),
  list: await observe(() => post("tools/list", {}, AUTHORIZATION)),
  calls: [],
  unasked: await observe(unasked),
  client: {},
};
for (const call of CALLS) {
  report.calls.push(await observe(() => post("tools/call", call, AUTHORIZATION)));
}
for (const mode of [{ pin: REVISION }, "legacy"]) {
  report.client[mode.pin ?? mode] = await observe(() => client(mode));
}
document.getElementById("done").textContent = JSON.stringify(report, null, 2);
await fetch("/report", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(report),
});

// Returns the result of an action, or the name of its error. The browser hides everything else about a blocked
// response.
async function observe(action) {
  try {
    return await action();
  } catch (error) {
    return { error: error.cause?.name ?? error.name, message: String(error) };
  }
}

// Sends a request of the newest revision. Its headers make the browser send a preflight request first.
async function post(method, params, headers = {}) {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const name = params.name === undefined ? {} : { "Mcp-Name": params.name };
  const response = await fetch(resource, {
    method: "POST",
    headers: {
      Accept: "application/json, text/event-stream",
      "Content-Type": "application/json",
      "MCP-Protocol-Version": REVISION,
      "Mcp-Method": method,
      ...name,
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta } }),
  });
  return {
    status: response.status,
    challenge: response.headers.get("WWW-Authenticate"),
    result: (await message(response))?.result,
  };
}

// Parses a response: JSON, or the last event of a stream if a tool logs.
async function message(response) {
  const text = await response.text();
  if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
    return JSON.parse(text);
  }
  const events = text.split("\n").filter((line) => line.startsWith("data: {"));
  return JSON.parse(events.at(-1).slice("data: ".length));
}

// Fetches the protected resource metadata from the challenge's URL, or from the well-known one if the page could not
// read the challenge.
async function metadata(challenge) {
  const named = challenge?.match(/resource_metadata="([^"]+)"/)?.[1];
  const { origin, pathname } = new URL(resource);
  const response = await fetch(named ?? `${origin}/.well-known/oauth-protected-resource${pathname}`);
  return { named: named !== undefined, status: response.status, document: await response.json() };
}

// Sends a request without a preflight (mode `no-cors`). The page cannot read its response.
async function unasked() {
  const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params: CALLS[1] };
  const response = await fetch(resource, { method: "POST", mode: "no-cors", body: JSON.stringify(call) });
  return { type: response.type };
}

// Does the same with the TypeScript client, in a session if the revision has sessions.
async function client(mode) {
  const { Client, StreamableHTTPClientTransport } = await import("./mcp-client.mjs");
  const client = new Client({ name: "toolcrib-tests", version: "1.0.0" }, { versionNegotiation: { mode } });
  const transport = new StreamableHTTPClientTransport(new URL(resource), {
    requestInit: { headers: AUTHORIZATION },
  });
  await client.connect(transport);
  const listed = await client.listTools();
  const results = [];
  for (const call of CALLS) {
    results.push(await client.callTool(call));
  }
  const version = transport.protocolVersion ?? client.getNegotiatedProtocolVersion?.();
  const session = transport.sessionId !== undefined;
  await transport.terminateSession();
  await client.close();
  return { version, session, tools: listed.tools.map((tool) => tool.name), results };
}
