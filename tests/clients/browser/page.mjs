// Uses the host as a web page does, and reports what the browser let it see.
// Its own server tells it `resource` and `token` at /settings, and takes the report at /report.

const { resource, token } = await (await fetch("/settings")).json();
const REVISION = "2026-07-28";
const AUTHORIZATION = { Authorization: `Bearer ${token}` };
const CALLS = [
  { name: "echo", arguments: { text: "hé 世界" } },
  { name: "whoami", arguments: {} },
];

const anonymous = await told(() => post("tools/list", {}));
const report = {
  anonymous,
  metadata: await told(() => metadata(anonymous.challenge)),
  list: await told(() => post("tools/list", {}, AUTHORIZATION)),
  calls: [],
  unasked: await told(unasked),
  client: {},
};
for (const call of CALLS) {
  report.calls.push(await told(() => post("tools/call", call, AUTHORIZATION)));
}
for (const mode of [{ pin: REVISION }, "legacy"]) {
  report.client[mode.pin ?? mode] = await told(() => client(mode));
}
document.getElementById("done").textContent = JSON.stringify(report, null, 2);
await fetch("/report", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(report),
});

// What came of it: an answer, or the name of the error. A browser says no more to a page that may not read an answer.
async function told(what) {
  try {
    return await what();
  } catch (error) {
    return { error: error.cause?.name ?? error.name, message: String(error) };
  }
}

// A request of the newest revision. A browser asks the host first whether it may send these headers.
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

// The answer: JSON, or the last event of a stream where a tool logs.
async function message(response) {
  const text = await response.text();
  if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
    return JSON.parse(text);
  }
  const events = text.split("\n").filter((line) => line.startsWith("data: {"));
  return JSON.parse(events.at(-1).slice("data: ".length));
}

// Where the challenge says that tokens are explained; guessed where the page could not read one.
async function metadata(challenge) {
  const named = challenge?.match(/resource_metadata="([^"]+)"/)?.[1];
  const { origin, pathname } = new URL(resource);
  const response = await fetch(named ?? `${origin}/.well-known/oauth-protected-resource${pathname}`);
  return { named: named !== undefined, status: response.status, document: await response.json() };
}

// What a browser sends without asking first, and without letting the page read the answer.
async function unasked() {
  const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params: CALLS[1] };
  const response = await fetch(resource, { method: "POST", mode: "no-cors", body: JSON.stringify(call) });
  return { type: response.type };
}

// The same with the TypeScript client: with a session where the revision has them.
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
