// The TypeScript client (2.x). It executes the steps of `steps.mjs`. MODE: auto, legacy, or a protocol revision.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { endpoint, headers, mode, model, run, user } from "./steps.mjs";

const client = new Client(
  { name: "toolcrib-tests", version: "1.0.0" },
  {
    capabilities: { elicitation: {}, sampling: {} },
    versionNegotiation: { mode: /^\d/.test(mode) ? { pin: mode } : mode },
  },
);
client.setRequestHandler("elicitation/create", user);
client.setRequestHandler("sampling/createMessage", model);
const transport = new StreamableHTTPClientTransport(endpoint, { requestInit: { headers } });
await client.connect(transport);
await run(
  client,
  () => transport.protocolVersion ?? client.getNegotiatedProtocolVersion?.(),
  (params, options) => client.callTool(params, options),
);
