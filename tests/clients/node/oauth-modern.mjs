// The TypeScript client (2.x) with its own OAuth: see oauth-conversation.mjs.
// Usage: oauth-modern.mjs URL [CLIENT-ID]
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Memory, converse } from "./oauth-conversation.mjs";

const [url, clientId] = process.argv.slice(2);
const memory = new Memory(clientId);
let client, transport;

const actions = {
  async connect() {
    const versionNegotiation = { mode: "auto" };
    client = new Client({ name: "toolcrib-tests", version: "1.0.0" }, { versionNegotiation });
    transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: memory });
    await client.connect(transport);
    return { revision: client.getNegotiatedProtocolVersion(), session: transport.sessionId !== undefined };
  },
  tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
  call: ({ name, arguments: given }) => client.callTool({ name, arguments: given }),
};
await converse(memory, actions, (parameters) => transport.finishAuth(parameters));
