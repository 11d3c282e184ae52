// The settings that the host writes into the document, and the addresses that follow from them.

interface Settings {
  /** Path of the MCP endpoint. */
  path: string;
  /** The configured URL of the endpoint; null if it is that of this page. */
  url: string | null;
  /** Whether callers need a token. */
  auth: boolean;
  /** The public OAuth client of this page, if one is registered. */
  clientId: string | null;
}

const element = document.querySelector<HTMLMetaElement>('meta[name="toolcrib"]');

export const settings: Settings = {
  path: "/mcp",
  url: null,
  auth: false,
  clientId: null,
  ...(JSON.parse(element?.content || "{}") as Partial<Settings>),
};

/** The address of this page, also below a path of a proxy. */
export const pageUrl = location.origin + location.pathname.replace(/[^/]*$/, "");

/** The endpoint that this page calls, always of its own origin. */
export const endpoint = pageUrl.slice(0, -1) + settings.path;

/** The URL of the endpoint for other clients. */
export const clientUrl = settings.url ?? endpoint.replace(/\/$/, "");

/** Whether only programs of this machine reach the URL. */
export const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(clientUrl).hostname);
