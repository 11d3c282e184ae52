// The TypeScript SDK (1.x). It executes the steps of `steps.mjs` and ignores MODE.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CreateMessageRequestSchema, ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { endpoint, headers, model, run, user } from "./steps.mjs";

const client = new Client(
  { name: "toolcrib-tests", version: "1.0.0" },
  { capabilities: { elicitation: {}, sampling: {} } },
);
client.setRequestHandler(ElicitRequestSchema, user);
client.setRequestHandler(CreateMessageRequestSchema, model);
const transport = new StreamableHTTPClientTransport(endpoint, { requestInit: { headers } });
await client.connect(transport);
await run(
  client,
  () => transport.protocolVersion,
  (params, options) => client.callTool(params, undefined, options),
);
