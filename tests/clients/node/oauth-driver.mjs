// Shared code of both OAuth clients. They execute commands from standard input, one JSON line each, and reply with one
// JSON line. Their OAuth state is kept in memory.
//   {"do": "connect"} -> {"revision": …, "session": true or false}
//   {"do": "tools"}   -> the names of the tools
//   {"do": "call", "name": …, "arguments": …} -> the result
//   {"do": "token"}   -> the access token
// A reply is {"done": result} or {"failed": message}. It may be preceded by {"authorize": URL}: the user must visit
// that URL, and the next input line is {"callback": URL}, the URL that the provider redirected to.
import { createInterface } from "node:readline";

/** The redirect URI. Nothing listens there: the test reads the parameters off the redirect. */
export const CALLBACK = "http://127.0.0.1/callback";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function send(message) {
  console.log(JSON.stringify(message));
}

async function receive() {
  const { value, done } = await lines.next();
  return done ? undefined : JSON.parse(value);
}

/** The state that the SDK's OAuth provider interface stores. Without `clientId`, the SDK registers the client. */
export class OAuthState {
  #stored = {};
  #authorizationUrl;

  constructor(clientId) {
    if (clientId) this.#stored.client = { client_id: clientId };
  }

  redirectUrl = CALLBACK;
  clientMetadata = {
    client_name: "toolcrib-tests",
    redirect_uris: [CALLBACK],
    token_endpoint_auth_method: "none",
  };
  clientInformation = () => this.#stored.client;
  saveClientInformation = (client) => void (this.#stored.client = client);
  tokens = () => this.#stored.tokens;
  saveTokens = (tokens) => void (this.#stored.tokens = tokens);
  codeVerifier = () => this.#stored.verifier;
  saveCodeVerifier = (verifier) => void (this.#stored.verifier = verifier);
  discoveryState = () => this.#stored.discovery;
  saveDiscoveryState = (discovery) => void (this.#stored.discovery = discovery);
  redirectToAuthorization = (url) => void (this.#authorizationUrl = url);

  /** Sends the user to the SDK's authorization URL, if there is one. Returns the parameters of the callback. */
  async authorization() {
    if (!this.#authorizationUrl) return undefined;
    send({ authorize: this.#authorizationUrl.href });
    this.#authorizationUrl = undefined;
    return new URL((await receive()).callback).searchParams;
  }
}

/** Executes commands until standard input ends. `finish` exchanges the parameters of a callback for a token. */
export async function executeCommands(state, actions, finish) {
  const commands = { ...actions, token: () => state.tokens()?.access_token };
  for (let request = await receive(); request; request = await receive()) {
    try {
      send({ done: await withAuthorization(() => commands[request.do](request)) });
    } catch (error) {
      send({ failed: String(error.message ?? error) });
    }
  }

  // On a 401, or a 403 that asks for more scopes, the SDK starts an authorization and fails. The action is then
  // repeated.
  async function withAuthorization(action) {
    for (;;) {
      try {
        return await action();
      } catch (error) {
        const parameters = await state.authorization();
        if (!parameters) throw error;
        if (parameters.has("error")) throw new Error(parameters.get("error"));
        await finish(parameters);
      }
    }
  }
}
