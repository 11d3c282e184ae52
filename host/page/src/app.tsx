// The page: lists of what the server has, what is chosen of them, how clients connect, and the history.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { SignIn } from "./account";
import type { Ended } from "./call";
import { RequestError, discover, hasToken, listAll, listen, setToken } from "./client";
import { Connect } from "./connect";
import { Markdown } from "./markdown";
import { finishSignIn } from "./oauth";
import { isObject, text, type Prompt, type Resource, type ServerInfo, type Tool } from "./protocol";
import { duration, hasFailed } from "./result";
import { SECTIONS, hash, useRoute, type Section } from "./routes";
import { PromptRunner, ResourceRunner, ToolRunner } from "./runner";
import { settings } from "./settings";

const MAX_HISTORY = 100;
const MAX_SUMMARY_CHARACTERS = 160;
/** Time before the page asks again for changes, after their stream has ended. */
const LISTEN_AGAIN_MILLISECONDS = 3_000;

interface Lists {
  server: ServerInfo;
  tools: Tool[];
  prompts: Prompt[];
  resources: Resource[];
}

type Wanted = { reason: string; scopes: string };

export function App() {
  const route = useRoute();
  const [lists, setLists] = useState<Lists>();
  const [failure, setFailure] = useState("");
  const [wanted, setWanted] = useState<Wanted>();
  const [history, setHistory] = useState<Ended[]>([]);
  const [replayed, setReplayed] = useState<Ended>();

  const load = useCallback(async () => {
    try {
      setLists(await loadLists());
      setFailure("");
      setWanted(undefined);
      return true;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (error instanceof RequestError && (error.status === 401 || (error.status === 403 && settings.auth))) {
        setWanted({ reason: hasToken() ? `The token was refused: ${message}.` : "", scopes: error.scopes });
      } else setFailure(message);
      return false;
    }
  }, []);

  useEffect(() => {
    finishSignIn()
      .then((token) => {
        if (token !== undefined) setToken(token);
        return load();
      })
      .catch((error: unknown) => setWanted({ reason: error instanceof Error ? error.message : String(error), scopes: "" }));
  }, [load]);

  // Hears of changes while the lists are shown.
  const changes = lists?.server.changes === true && wanted === undefined;
  useEffect(() => {
    if (!changes) return undefined;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const follow = () => {
      const again = () => {
        if (abort.signal.aborted) return;
        timer = setTimeout(() => void load().then(() => abort.signal.aborted || follow()), LISTEN_AGAIN_MILLISECONDS);
      };
      listen(() => void load(), abort.signal).then(again, again);
    };
    follow();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [changes, load]);

  useEffect(() => {
    document.title = lists ? `${route.name || lists.server.name} · tools` : "Tools";
  }, [lists, route.name]);

  const useToken = (token: string) => {
    setToken(token);
    void load();
  };
  const signOut = () => {
    setToken("");
    setLists(undefined);
    setHistory([]);
    void load();
  };
  const common = {
    given: undefined,
    onEnd: (ended: Ended) => setHistory((old) => [ended, ...old].slice(0, MAX_HISTORY)),
    signIn: (scopes: string, reason: string) => setWanted({ scopes, reason }),
  };

  return (
    <>
      <a class="skip" href="#content" onClick={(event) => { event.preventDefault(); document.getElementById("content")?.focus(); }}>Skip to the content</a>
      <header class="top">
        <h1><bdi>{lists?.server.name ?? "Tools"}</bdi> <span class="quiet version">{lists?.server.version}</span></h1>
        {lists && <Navigation section={route.section} lists={lists} history={history.length} />}
        {hasToken() && <button type="button" class="small" onClick={signOut}>Sign out</button>}
      </header>
      <main id="content" tabIndex={-1}>
        {failure && <p class="card problem" role="alert">{failure} <button type="button" class="small" onClick={() => void load()}>Try again</button></p>}
        {wanted ? (
          <div class="narrow">
            <SignIn key={wanted.reason} reason={wanted.reason} scopes={wanted.scopes} use={useToken} />
            {route.section === "connect" && <Connect server={undefined} />}
          </div>
        ) : lists ? (
          <Body lists={lists} section={route.section} name={route.name} history={history} replay={setReplayed} replayed={replayed} common={common} />
        ) : (
          !failure && <p class="quiet">Loading …</p>
        )}
      </main>
    </>
  );
}

async function loadLists(): Promise<Lists> {
  const server = await discover();
  const [tools, prompts, resources, templates] = await Promise.all([
    listAll("tools/list", "tools"),
    listAll("prompts/list", "prompts"),
    listAll("resources/list", "resources"),
    listAll("resources/templates/list", "resourceTemplates"),
  ]);
  return {
    server,
    tools: tools as unknown as Tool[],
    prompts: prompts as unknown as Prompt[],
    resources: [...resources, ...templates] as unknown as Resource[],
  };
}

const LABELS: Record<Section, string> = { tools: "Tools", prompts: "Prompts", resources: "Resources", connect: "Connect", history: "History" };

function Navigation({ section, lists, history }: { section: Section; lists: Lists; history: number }) {
  const counts: Partial<Record<Section, number>> = {
    tools: lists.tools.length, prompts: lists.prompts.length, resources: lists.resources.length, history,
  };
  const shown = SECTIONS.filter((name) => name === "tools" || name === "connect" || name === section || counts[name]);
  return (
    <nav aria-label="Sections">
      {shown.map((name) => (
        <a key={name} href={hash(name)} aria-current={name === section ? "page" : undefined}>
          {LABELS[name]} {counts[name] !== undefined && <span class="count">{counts[name]}</span>}
        </a>
      ))}
    </nav>
  );
}

interface BodyProps {
  lists: Lists;
  section: Section;
  name: string;
  history: Ended[];
  replay: (ended: Ended) => void;
  replayed: Ended | undefined;
  common: { given: undefined; onEnd: (ended: Ended) => void; signIn: (scopes: string, reason: string) => void };
}

function Body({ lists, section, name, history, replay, replayed, common }: BodyProps) {
  if (section === "connect") return <div class="narrow"><Connect server={lists.server} /></div>;
  if (section === "history") return <div class="narrow"><History history={history} replay={replay} /></div>;
  const entries: Entry[] =
    section === "resources"
      ? lists.resources.map((resource) => ({ ...resource, name: resource.uri ?? resource.uriTemplate ?? "", title: resource.title || resource.name }))
      : lists[section];
  // The arguments of a replayed call start a form of their own.
  const isReplayed = replayed !== undefined && nameOf(replayed) === name;
  const given = isReplayed && isObject(replayed.target.params["arguments"]) ? replayed.target.params["arguments"] : undefined;
  const key = `${section} ${name} ${isReplayed ? replayed.at.getTime() : ""}`;
  const props = { ...common, given };
  const [tool, prompt] = [lists.tools.find((tool) => tool.name === name), lists.prompts.find((prompt) => prompt.name === name)];
  const resource = lists.resources.find((resource) => resource.uri === name || resource.uriTemplate === name);
  return (
    <div class={`columns ${name === "" ? "" : "chosen"}`}>
      <List key={section} section={section} entries={entries} chosen={name} />
      {name === "" ? (
        <section class="card hint-card">
          <p class="quiet">{entries.length === 0 ? `The server has no ${section} for you.` : `Choose one of ${entries.length} ${section}.`}</p>
          {lists.server.instructions && <><h2>Instructions</h2><Markdown text={lists.server.instructions} keepsBreaks /></>}
        </section>
      ) : section === "tools" && tool ? (
        <ToolRunner key={key} tool={tool} {...props} />
      ) : section === "prompts" && prompt ? (
        <PromptRunner key={key} prompt={prompt} {...props} />
      ) : section === "resources" ? (
        <ResourceRunner key={key} uri={name} resource={resource} {...props} />
      ) : (
        <section class="card"><p>The server has no “<bdi>{name}</bdi>” among its {section}, or not for you.</p></section>
      )}
    </div>
  );
}

interface Entry {
  name: string;
  title?: string;
  description?: string;
}

function List({ section, entries, chosen }: { section: Section; entries: Entry[]; chosen: string }) {
  const [query, setQuery] = useState("");
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
      if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      search.current?.focus();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
  const chosenLink = useRef<HTMLAnchorElement>(null);
  useEffect(() => chosenLink.current?.scrollIntoView({ block: "nearest" }), [chosen]);
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = entries.filter((entry) => {
    const text = `${entry.name} ${entry.title ?? ""} ${entry.description ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  return (
    <nav class="list" aria-label={LABELS[section]}>
      <input ref={search} type="search" placeholder={`Search ${section}  ( / )`} aria-label={`Search ${section}`} value={query}
        onInput={(event) => setQuery(event.currentTarget.value)} />
      {words.length > 0 && <p class="quiet" role="status">{found.length} of {entries.length}</p>}
      <ul>
        {found.map((entry) => (
          <li key={entry.name}>
            <a ref={entry.name === chosen ? chosenLink : undefined} href={hash(section, entry.name)} aria-current={entry.name === chosen ? "true" : undefined}>
              <span class="name"><bdi>{entry.title || entry.name}</bdi></span>
              <span class="summary"><bdi>{text(entry.description).slice(0, MAX_SUMMARY_CHARACTERS)}</bdi></span>
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function nameOf(ended: Ended): string {
  return text(ended.target.params["name"]) || text(ended.target.params["uri"]);
}

function History({ history, replay }: { history: Ended[]; replay: (ended: Ended) => void }) {
  const sections: Record<Ended["target"]["method"], Section> = { "tools/call": "tools", "prompts/get": "prompts", "resources/read": "resources" };
  return (
    <section class="card" aria-labelledby="history">
      <h2 id="history">History</h2>
      <p class="quiet">The calls of this page, until it is closed or reloaded. Choose one to do it again.</p>
      <ol class="history">
        {history.map((ended, index) => (
          <li key={index}>
            <a href={hash(sections[ended.target.method], nameOf(ended))} onClick={() => replay(ended)}>
              <span class={`dot ${hasFailed(ended) ? "failed" : ""}`} title={hasFailed(ended) ? "failed" : "done"} />
              <span class="name"><bdi>{nameOf(ended)}</bdi></span>
              <span class="summary"><code>{JSON.stringify(ended.target.params["arguments"] ?? {}).slice(0, MAX_SUMMARY_CHARACTERS)}</code></span>
              <span class="quiet">{duration(ended.milliseconds)}, {ended.at.toLocaleTimeString("en-GB")}</span>
            </a>
          </li>
        ))}
      </ol>
    </section>
  );
}
