// Signs in with the authorization code flow and PKCE (OAuth 2.1; RFC 7636, 8414, 8707, 9207, 9728). The token stays in the
// memory of this page. Only the state of the flow is in the session storage, while the user is at the authorization server.

import { isObject, list, text, type JsonObject } from "./protocol";
import { resourceMetadataUrl } from "./client";
import { pageUrl, settings } from "./settings";

const STORED = "toolcrib.sign-in";

interface Flow {
  state: string;
  verifier: string;
  issuer: string;
  tokenEndpoint: string;
  namesIssuer: boolean;
  resource: string;
  /** The place of the page to come back to. */
  hash: string;
}

interface Server {
  issuer: string;
  authorizationEndpoint: string;
  tokenEndpoint: string;
  /** Whether its answers name it. */
  namesIssuer: boolean;
}

/** Leaves the page for the authorization server. */
export async function signIn(scopes: string): Promise<void> {
  if (!window.isSecureContext) throw new Error("Browsers sign in on https and on loopback addresses only. Paste a token instead.");
  const metadata = await reach(resourceMetadataUrl());
  const resource = text(metadata["resource"]);
  if (URL.canParse(resource) && new URL(resource).origin !== location.origin) {
    throw new Error(`This server is known as ${new URL(resource).origin}. Open this page there to sign in.`);
  }
  const server = await authorizationServer(text(list(metadata["authorization_servers"])[0]));
  const flow: Flow = {
    state: random(),
    verifier: random(),
    issuer: server.issuer,
    tokenEndpoint: server.tokenEndpoint,
    namesIssuer: server.namesIssuer,
    resource,
    hash: location.hash,
  };
  sessionStorage.setItem(STORED, JSON.stringify(flow));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(flow.verifier));
  const url = new URL(server.authorizationEndpoint);
  const wanted = new Set([...list(metadata["scopes_supported"]).map(text), ...scopes.split(" ")].filter(Boolean));
  const parameters: Record<string, string> = {
    response_type: "code",
    client_id: settings.clientId ?? "",
    redirect_uri: pageUrl,
    state: flow.state,
    code_challenge: base64Url(new Uint8Array(digest)),
    code_challenge_method: "S256",
    resource: flow.resource,
  };
  if (wanted.size > 0) parameters["scope"] = [...wanted].join(" ");
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  location.assign(url);
}

/** Returns the token if the user comes back from the authorization server; undefined if the page was just opened. */
export async function finishSignIn(): Promise<string | undefined> {
  const answer = new URLSearchParams(location.search);
  const stored = sessionStorage.getItem(STORED);
  if (!answer.has("state") || stored === null) return undefined;
  sessionStorage.removeItem(STORED);
  const flow = JSON.parse(stored) as Flow;
  // The code must not stay in the address or the history.
  history.replaceState(null, "", pageUrl + flow.hash);
  if (answer.get("state") !== flow.state) throw new Error("The answer is not to this sign-in. Sign in again.");
  const issuer = answer.get("iss");
  if (issuer === null ? flow.namesIssuer : issuer !== flow.issuer) throw new Error("Another authorization server has answered. Sign in again.");
  const code = answer.get("code");
  if (code === null) {
    const reason = answer.get("error_description") ?? answer.get("error") ?? "no reason";
    throw new Error(`The authorization server refused: ${reason}.`);
  }
  const response = await reach(flow.tokenEndpoint, {
    method: "POST",
    headers: { Accept: "application/json" },
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code,
      redirect_uri: pageUrl,
      client_id: settings.clientId ?? "",
      code_verifier: flow.verifier,
      resource: flow.resource,
    }),
  });
  const token = text(response["access_token"]);
  if (token === "") {
    throw new Error(`There is no token: ${text(response["error_description"]) || text(response["error"]) || "the answer has none"}`);
  }
  return token;
}

/** Reads the metadata of an authorization server: of RFC 8414, or else of OpenID Connect Discovery. */
async function authorizationServer(issuer: string): Promise<Server> {
  if (!URL.canParse(issuer)) throw new Error("This server does not say who issues its tokens. Paste a token instead.");
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, "");
  const urls = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
  for (const url of new Set(urls)) {
    const metadata: JsonObject = await reach(url).catch(() => ({}));
    // RFC 8414, section 3.3: the metadata must be that of the issuer.
    if (text(metadata["issuer"]) !== issuer) continue;
    const [authorizationEndpoint, tokenEndpoint] = [text(metadata["authorization_endpoint"]), text(metadata["token_endpoint"])];
    if (!/^https?:\/\//.test(authorizationEndpoint)) continue;
    if (!tokenEndpoint.startsWith(`${origin}/`)) {
      throw new Error("The token endpoint is not at the origin of the issuer, so this page may not reach it. Paste a token instead.");
    }
    const namesIssuer = metadata["authorization_response_iss_parameter_supported"] === true;
    return { issuer, authorizationEndpoint, tokenEndpoint, namesIssuer };
  }
  throw new Error(`${issuer} gives this page no metadata. It must allow requests of web pages (CORS); else paste a token.`);
}

async function reach(url: string, init: RequestInit = {}): Promise<JsonObject> {
  const response = await fetch(url, { credentials: "omit", redirect: "error", referrerPolicy: "no-referrer", ...init }).catch(() => {
    throw new Error(`${URL.canParse(url) ? new URL(url).origin : "The server"} does not answer this page. It must allow requests of web pages (CORS).`);
  });
  const value: unknown = await response.json().catch(() => undefined);
  return isObject(value) ? value : {};
}

function random(): string {
  return base64Url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
