// Older versions of the TypeScript SDK, without elicitation. MODE: the package of the version. It executes the steps of
// `steps.mjs`.
import { endpoint, headers, mode, model, run } from "./steps.mjs";

const { Client } = await import(`${mode}/client/index.js`);
const { StreamableHTTPClientTransport } = await import(`${mode}/client/streamableHttp.js`);
const { CreateMessageRequestSchema } = await import(`${mode}/types.js`);

const client = new Client(
  { name: "toolcrib-tests", version: "1.0.0" },
  { capabilities: { sampling: {} } },
);
client.setRequestHandler(CreateMessageRequestSchema, model);
const transport = new StreamableHTTPClientTransport(endpoint, { requestInit: { headers } });
// These versions do not tell the negotiated revision.
let version;
const initialized = client.request.bind(client);
client.request = async (request, ...rest) => {
  const result = await initialized(request, ...rest);
  version = request.method === "initialize" ? result.protocolVersion : version;
  return result;
};
await client.connect(transport);
await run(
  client,
  () => version,
  (params, options) => client.callTool(params, undefined, options),
);
