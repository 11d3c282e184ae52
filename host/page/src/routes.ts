// The places of the page, kept in the fragment of its address: `#/tools/NAME`.

import { useEffect, useState } from "preact/hooks";

export const SECTIONS = ["tools", "prompts", "resources", "connect", "history"] as const;
export type Section = (typeof SECTIONS)[number];

export interface Route {
  section: Section;
  /** The name or URI of what is shown; empty for the list. */
  name: string;
}

export function hash(section: Section, name = ""): string {
  return name === "" ? `#/${section}` : `#/${section}/${encodeURIComponent(name)}`;
}

export function resourceHash(uri: string): string {
  return hash("resources", uri);
}

function parse(): Route {
  const [, section = "", name = ""] = /^#\/(\w+)(?:\/(.*))?$/s.exec(location.hash) ?? [];
  const known = SECTIONS.find((candidate) => candidate === section);
  try {
    return { section: known ?? "tools", name: known ? decodeURIComponent(name) : "" };
  } catch {
    return { section: known ?? "tools", name: "" };
  }
}

/** The current place. */
export function useRoute(): Route {
  const [route, setRoute] = useState(parse);
  useEffect(() => {
    const changed = () => setRoute(parse());
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  return route;
}
