// The TypeScript client (2.x) with its own OAuth implementation; see oauth-driver.mjs.
// Usage: oauth-modern.mjs URL [CLIENT-ID]
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { OAuthState, executeCommands } from "./oauth-driver.mjs";

const [url, clientId] = process.argv.slice(2);
const state = new OAuthState(clientId);
let client, transport;

const actions = {
  async connect() {
    const versionNegotiation = { mode: "auto" };
    client = new Client({ name: "toolcrib-tests", version: "1.0.0" }, { versionNegotiation });
    transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: state });
    await client.connect(transport);
    return { revision: client.getNegotiatedProtocolVersion(), session: transport.sessionId !== undefined };
  },
  tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
  call: ({ name, arguments: given }) => client.callTool({ name, arguments: given }),
};
await executeCommands(state, actions, (parameters) => transport.finishAuth(parameters));
