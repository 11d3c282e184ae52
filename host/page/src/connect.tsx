// How clients connect: links that they understand, and lines to paste.

import { base64 } from "./headers";
import { Markdown } from "./markdown";
import type { ServerInfo } from "./protocol";
import { clientUrl, isLocal, settings } from "./settings";
import { Code } from "./copy";
import { shell } from "./code";

/** Returns a name that every client accepts as the name of a server. */
function clientName(server: ServerInfo | undefined): string {
  const name = (server?.name ?? "").replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 64);
  return name || "toolcrib";
}

export function Connect({ server }: { server: ServerInfo | undefined }) {
  const name = clientName(server);
  const url = encodeURIComponent(clientUrl);
  const cursor = encodeURIComponent(base64(JSON.stringify({ url: clientUrl })));
  const vscode = { name, type: "http", url: clientUrl };
  const links = [
    { label: "Cursor", href: `cursor://anysphere.cursor-deeplink/mcp/install?name=${name}&config=${cursor}` },
    { label: "VS Code", href: `vscode:mcp/install?${encodeURIComponent(JSON.stringify(vscode))}` },
    { label: "LM Studio", href: `lmstudio://add_mcp?name=${name}&config=${cursor}` },
  ];
  // Claude's own servers connect, and do not reach a loopback address.
  const claude = `https://claude.ai/customize/connectors?modal=add-custom-connector&connectorName=${name}&connectorUrl=${url}`;
  const lines = [
    { label: "Claude Code", code: `claude mcp add --transport http ${name} ${shell(clientUrl)}` },
    { label: "VS Code", code: `code --add-mcp ${shell(JSON.stringify(vscode))}` },
    { label: "Others, in their configuration", code: JSON.stringify({ mcpServers: { [name]: { type: "http", url: clientUrl } } }, null, 2) },
  ];
  return (
    <section class="card" aria-labelledby="connect">
      <h2 id="connect">Connect a client</h2>
      <Code code={clientUrl} label="URL" />
      {isLocal && <p class="quiet">Only clients on this machine reach this address.</p>}
      <p class="buttons">
        {links.map(({ label, href }) => <a key={label} class="button" href={href}>Add to {label}</a>)}
        {!isLocal && <a class="button" href={claude} target="_blank" rel="noopener noreferrer">Add to Claude</a>}
      </p>
      {lines.map(({ label, code }) => (
        <div key={label} class="spaced">
          <h3>{label}</h3>
          <Code code={code} label={label} />
        </div>
      ))}
      {settings.auth && <p>The server needs an access token. Clients find its authorization server by themselves, from the URL.</p>}
      {server?.instructions && (
        <>
          <h3>Instructions for models</h3>
          <Markdown text={server.instructions} keepsBreaks />
        </>
      )}
    </section>
  );
}
