// A call that runs or has ended: progress, log, questions, the result, and the same call as code.

import { useEffect, useRef, useState } from "preact/hooks";

import type { Call, Ended, LogLine } from "./call";
import { snippets } from "./code";
import { Content, ResourceContents } from "./content";
import { Code } from "./copy";
import { Data, Tree } from "./data";
import { META, isObject, list, text, type Json, type JsonObject } from "./protocol";
import { Questions } from "./questions";

export function Outcome({ call, signIn }: { call: Call; signIn: (scopes: string, reason: string) => void }) {
  const { ended } = call;
  return (
    <>
      {call.isRunning && <Running call={call} />}
      {call.questions.length > 0 && <Questions key={call.questions.map(([key]) => key).join()} questions={call.questions} answer={call.answer} />}
      {call.log.length > 0 && <Log lines={call.log} isOpen={call.isRunning} />}
      <p class="visually-hidden" role="status">{status(call)}</p>
      {ended && <Result ended={ended} signIn={signIn} />}
    </>
  );
}

function status(call: Call): string {
  if (call.questions.length > 0) return "The tool asks a question.";
  if (call.isRunning) return "Running.";
  if (!call.ended) return "";
  return hasFailed(call.ended) ? "Failed." : "Done.";
}

export function hasFailed(ended: Ended): boolean {
  return ended.failure !== undefined || ended.result?.["isError"] === true;
}

export function duration(milliseconds: number): string {
  return milliseconds < 1_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1_000).toFixed(1)} s`;
}

function Running({ call }: { call: Call }) {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 200);
    return () => clearInterval(timer);
  }, []);
  const { progress } = call;
  const seconds = Math.max(0, (now - call.startedAt) / 1_000).toFixed(1);
  return (
    <div class="running">
      <progress max={progress?.total ?? 1} value={progress?.total === undefined ? undefined : progress.done} aria-label="Progress" />
      <span>
        {progress && (progress.total === undefined ? progress.done : `${progress.done} of ${progress.total}`)}{" "}
        <bdi>{progress?.message}</bdi> <span class="quiet">{seconds} s</span>
      </span>
      <button type="button" onClick={call.cancel}>Cancel</button>
    </div>
  );
}

function Log({ lines, isOpen }: { lines: LogLine[]; isOpen: boolean }) {
  return (
    <details class="log" open={isOpen || lines.length <= 5}>
      <summary>Log <span class="quiet">{lines.length}</span></summary>
      <ol>
        {lines.map((line, index) => (
          <li key={index}><span class={`level ${/^\w+$/.test(line.level) ? line.level : ""}`}>{line.level}</span> {line.message}</li>
        ))}
      </ol>
    </details>
  );
}

const VIEWS = ["Result", "JSON", "Code"] as const;

function Result({ ended, signIn }: { ended: Ended; signIn: (scopes: string, reason: string) => void }) {
  const [view, setView] = useState<(typeof VIEWS)[number]>("Result");
  const [language, setLanguage] = useState(0);
  const section = useRef<HTMLElement>(null);
  useEffect(() => section.current?.scrollIntoView({ block: "nearest" }), [ended]);
  const failed = hasFailed(ended);
  const code = view === "Code" ? snippets(ended.target) : [];
  const chosen = code[language];
  return (
    <section ref={section} class={`result ${failed ? "failed" : ""}`} aria-label="Result">
      <header>
        <strong class="outcome">{ended.isCancelled ? "Cancelled" : failed ? "Failed" : "Done"}</strong>
        <span class="quiet">{duration(ended.milliseconds)}</span>
        <Measured result={ended.result} />
        <span class="tabs">
          {VIEWS.map((name) => (
            <button key={name} type="button" class="tab" aria-pressed={view === name} onClick={() => setView(name)}>{name}</button>
          ))}
        </span>
      </header>
      {view === "Result" && <Body ended={ended} signIn={signIn} />}
      {view === "JSON" && (ended.result ? <div class="tree"><Tree value={ended.result} depth={0} /></div> : <p class="quiet">There is no result.</p>)}
      {view === "Code" && chosen && (
        <>
          <p class="tabs">
            {code.map(({ label }, index) => (
              <button key={label} type="button" class="tab" aria-pressed={index === language} onClick={() => setLanguage(index)}>{label}</button>
            ))}
          </p>
          <Code code={chosen.code} label={chosen.label} />
        </>
      )}
    </section>
  );
}

/** What the server says about the call besides its result, such as its use of memory. */
function Measured({ result }: { result: JsonObject | undefined }) {
  const meta = isObject(result?.["_meta"]) ? result["_meta"] : {};
  const values = Object.entries(meta)
    .filter(([key, value]) => key !== `${META}serverInfo` && typeof value !== "object")
    .slice(0, 8);
  return (
    <>
      {values.map(([key, value]) => (
        <span key={key} class="quiet measured" title={key}>{key.split("/").pop()} {String(value).slice(0, 40)}</span>
      ))}
    </>
  );
}

function Body({ ended, signIn }: { ended: Ended; signIn: (scopes: string, reason: string) => void }) {
  if (ended.failure !== undefined) {
    return (
      <>
        <p class="problem">{ended.failure}</p>
        {(ended.scopes || ended.isUnauthorized) && (
          <button type="button" onClick={() => signIn(ended.scopes ?? "", ended.failure ?? "")}>
            {ended.scopes ? `Sign in with ${ended.scopes}` : "Sign in again"}
          </button>
        )}
      </>
    );
  }
  const result = ended.result ?? {};
  switch (ended.target.method) {
    case "tools/call":
      return <ToolResult result={result} />;
    case "prompts/get":
      return (
        <>
          {text(result["description"]) && <p>{text(result["description"])}</p>}
          {list(result["messages"]).filter(isObject).map((message, index) => (
            <div key={index} class="message">
              <p class="caption">{text(message["role"])}</p>
              {isObject(message["content"]) && <Content block={message["content"]} />}
            </div>
          ))}
        </>
      );
    case "resources/read":
      return <>{list(result["contents"]).filter(isObject).map((contents, index) => <ResourceContents key={index} contents={contents} />)}</>;
  }
}

function ToolResult({ result }: { result: JsonObject }) {
  const structured = result["structuredContent"];
  const blocks = list(result["content"]).filter(isObject).filter((block) => structured === undefined || !isSame(block, structured));
  return (
    <>
      {blocks.map((block, index) => <Content key={index} block={block} />)}
      {structured !== undefined && <Data value={structured} />}
      {blocks.length === 0 && structured === undefined && <p class="quiet">The result is empty.</p>}
    </>
  );
}

/** Returns whether a text repeats the structured result. */
function isSame(block: JsonObject, structured: Json): boolean {
  if (block["type"] !== "text") return false;
  try {
    return JSON.stringify(JSON.parse(text(block["text"]))) === JSON.stringify(structured);
  } catch {
    return false;
  }
}
