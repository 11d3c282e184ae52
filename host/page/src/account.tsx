// Signing in: with the authorization server where a client is registered for this page, else with a pasted token.

import { useState } from "preact/hooks";

import { signIn } from "./oauth";
import { settings } from "./settings";

interface Props {
  /** A sentence about why a token is needed. */
  reason: string;
  /** The scopes that are needed besides the usual. */
  scopes: string;
  use: (token: string) => void;
}

export function SignIn({ reason, scopes, use }: Props) {
  const [token, setToken] = useState("");
  const [failure, setFailure] = useState("");
  const [isLeaving, setLeaving] = useState(false);
  const leave = () => {
    setLeaving(true);
    setFailure("");
    signIn(scopes).catch((error: unknown) => {
      setLeaving(false);
      setFailure(error instanceof Error ? error.message : String(error));
    });
  };
  return (
    <section class="card sign-in" aria-labelledby="sign-in">
      <h2 id="sign-in">Sign in</h2>
      <p>{reason || "This server serves only callers with an access token."}</p>
      {settings.clientId !== null && (
        <p>
          <button type="button" class="primary" disabled={isLeaving} onClick={leave}>
            {isLeaving ? "Going to the sign-in …" : "Sign in"}
          </button>
        </p>
      )}
      {failure && <p class="problem" role="alert">{failure}</p>}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const trimmed = token.trim().replace(/^bearer\s+/i, "");
          if (/[^\x21-\x7e]/.test(trimmed)) setFailure("This is not a token: it has characters that a header cannot have.");
          else if (trimmed !== "") use(trimmed);
        }}>
        <div class="field">
          <label for="token">{settings.clientId === null ? "Access token" : "Or an access token"}</label>
          <input id="token" type="password" autocomplete="off" spellcheck={false} value={token} onInput={(event) => setToken(event.currentTarget.value)} />
          <p class="help">It stays in the memory of this page and is gone when you close or reload it.</p>
        </div>
        <button type="submit" class={settings.clientId === null ? "primary" : ""}>Use the token</button>
      </form>
    </section>
  );
}
