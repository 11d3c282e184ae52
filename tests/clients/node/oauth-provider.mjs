// A certified OpenID provider on loopback. Clients may register themselves, PKCE is required, and access tokens are
// JWTs for the requested resource (RFC 8707). Users log in and consent with its own forms, which accept any name.
// Usage: oauth-provider.mjs PORT ALGORITHM KEYS…
// KEYS: files of private keys; a missing file is generated. All keys are published. Tokens are signed with ALGORITHM
// and a key of the first file.
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { Provider } from "oidc-provider";

const [port, algorithm, ...files] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

function loadKeys(file) {
  if (!existsSync(file)) {
    const pairs = {
      RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
      ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
    };
    const keys = Object.entries(pairs).map(([alg, { privateKey }]) => ({
      ...privateKey.export({ format: "jwk" }),
      alg,
      use: "sig",
    }));
    writeFileSync(file, JSON.stringify(keys));
  }
  return JSON.parse(readFileSync(file));
}

const provider = new Provider(issuer, {
  jwks: { keys: files.flatMap(loadKeys) },
  pkce: { required: () => true },
  clients: [
    {
      client_id: "machine",
      client_secret: "the-secret-of-the-machine",
      grant_types: ["client_credentials"],
      response_types: [],
      redirect_uris: [],
    },
    // For tests that restart the provider, which loses dynamic registrations.
    {
      client_id: "known",
      token_endpoint_auth_method: "none",
      redirect_uris: ["http://127.0.0.1/callback"],
      application_type: "native",
    },
    // The page, at any port of a loopback address.
    {
      client_id: "page",
      token_endpoint_auth_method: "none",
      redirect_uris: ["http://127.0.0.1/"],
      application_type: "native",
    },
  ],
  // Web pages may be clients.
  clientBasedCORS: () => true,
  // Clients register with the scope of their first challenge. If the provider stored it, it would refuse requests for
  // more scopes. A server may replace registered metadata (RFC 7591, section 3.2.1).
  extraClientMetadata: {
    properties: ["scope"],
    validator: (context, key, value, metadata) => delete metadata.scope,
  },
  findAccount: (context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  extraTokenClaims: (context, token) => ({
    department: token.accountId ? "engineering" : "automation",
    salary: 1000,
  }),
  features: {
    clientCredentials: { enabled: true },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (context, resource, client) => ({
        audience: resource,
        scope: client.clientId === "machine" ? "tools:use" : "tools:use tools:admin",
        accessTokenFormat: "jwt",
        accessTokenTTL: 300,
        jwt: { sign: { alg: algorithm } },
      }),
    },
  },
});

provider.listen(Number(port), "127.0.0.1", () => console.error(`listening on ${issuer}/`));
