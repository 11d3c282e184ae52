// The TypeScript SDK (1.x) with its own OAuth implementation; see oauth-driver.mjs.
// Usage: oauth-legacy.mjs URL [CLIENT-ID]
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { OAuthState, executeCommands } from "./oauth-driver.mjs";

const [url, clientId] = process.argv.slice(2);
const state = new OAuthState(clientId);
let client, transport;

const actions = {
  async connect() {
    client = new Client({ name: "toolcrib-tests", version: "1.0.0" });
    transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: state });
    await client.connect(transport);
    return { revision: transport.protocolVersion, session: transport.sessionId !== undefined };
  },
  tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
  call: ({ name, arguments: given }) => client.callTool({ name, arguments: given }),
};
await executeCommands(state, actions, (parameters) => transport.finishAuth(parameters.get("code")));
