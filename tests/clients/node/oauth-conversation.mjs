// What both OAuth clients share: they do what each line on standard input says and answer it with a line, and their
// OAuth state is in memory.
//   {"do": "connect"} -> {"revision": …, "session": whether there is one}
//   {"do": "tools"}   -> their names
//   {"do": "call", "name": …, "arguments": …} -> the result
//   {"do": "token"}   -> the access token
// The answer stands in {"done": …}, or {"failed": …} says why there is none. Before it may come {"authorize": URL}: a
// person is to go there, and the next line says where that has led: {"callback": URL}.
import { createInterface } from "node:readline";

/** Where the provider sends the person back to. Nobody listens there: the test reads it off the redirect. */
export const CALLBACK = "http://127.0.0.1/callback";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function say(message) {
  console.log(JSON.stringify(message));
}

async function hear() {
  const { value, done } = await lines.next();
  return done ? undefined : JSON.parse(value);
}

/** Holds what an OAuth client has to keep; the SDK does everything else. Without `clientId` it registers. */
export class Memory {
  #kept = {};
  #going;

  constructor(clientId) {
    if (clientId) this.#kept.client = { client_id: clientId };
  }

  redirectUrl = CALLBACK;
  clientMetadata = {
    client_name: "toolcrib-tests",
    redirect_uris: [CALLBACK],
    token_endpoint_auth_method: "none",
  };
  clientInformation = () => this.#kept.client;
  saveClientInformation = (client) => void (this.#kept.client = client);
  tokens = () => this.#kept.tokens;
  saveTokens = (tokens) => void (this.#kept.tokens = tokens);
  codeVerifier = () => this.#kept.verifier;
  saveCodeVerifier = (verifier) => void (this.#kept.verifier = verifier);
  discoveryState = () => this.#kept.discovery;
  saveDiscoveryState = (discovery) => void (this.#kept.discovery = discovery);
  redirectToAuthorization = (url) => void (this.#going = url);

  /** Has a person go where the SDK has sent them, if it has; the parameters that they come back with. */
  async authorization() {
    if (!this.#going) return undefined;
    say({ authorize: this.#going.href });
    this.#going = undefined;
    return new URL((await hear()).callback).searchParams;
  }
}

/** Does what it is told until standard input ends. `finish` redeems the parameters of a callback. */
export async function converse(memory, actions, finish) {
  const doing = { ...actions, token: () => memory.tokens()?.access_token };
  for (let request = await hear(); request; request = await hear()) {
    try {
      say({ done: await act(() => doing[request.do](request)) });
    } catch (error) {
      say({ failed: String(error.message ?? error) });
    }
  }

  // A 401, or a 403 that names more scopes: the SDK sends the person off and fails; once they are back it is done again.
  async function act(action) {
    for (;;) {
      try {
        return await action();
      } catch (error) {
        const parameters = await memory.authorization();
        if (!parameters) throw error;
        if (parameters.has("error")) throw new Error(parameters.get("error"));
        await finish(parameters);
      }
    }
  }
}
