// One tool, prompt or resource: its description, its form, and its call.

import { useEffect, useRef, useState } from "preact/hooks";

import { useCall, type Ended, type Target } from "./call";
import { Form } from "./form";
import { Markdown } from "./markdown";
import { isObject, type JsonObject, type Prompt, type Resource, type Tool } from "./protocol";
import { Outcome } from "./result";
import { hash, type Section } from "./routes";
import { initial, problem, type Value } from "./schema";

interface Props {
  section: Section;
  title: string;
  name: string;
  description?: string | undefined;
  badges?: string[];
  schema: JsonObject;
  /** Arguments to start with, of the history. */
  given?: JsonObject | undefined;
  verb: string;
  target: (value: JsonObject) => Target;
  onEnd: (ended: Ended) => void;
  signIn: (scopes: string, reason: string) => void;
}

function Runner(props: Props) {
  const { schema } = props;
  const [value, setValue] = useState<Value>(() => props.given ?? initial(schema, schema, true));
  const [wrong, setWrong] = useState("");
  const call = useCall(`${props.section} ${props.name}`, props.onEnd);
  const heading = useRef<HTMLHeadingElement>(null);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const run = () => {
    const found = problem(value);
    setWrong(found ?? "");
    if (found === undefined && !call.isRunning) call.run(props.target(isObject(value) ? (value as JsonObject) : {}));
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.current?.requestSubmit();
    } else if (event.key === "Escape" && call.isRunning) call.cancel();
  };
  return (
    <article class="card runner" onKeyDown={pressed}>
      <p class="back"><a href={hash(props.section)}>← All {props.section}</a></p>
      <h2 ref={heading} tabIndex={-1}><bdi>{props.title}</bdi></h2>
      <p class="under">
        {props.title !== props.name && <code><bdi>{props.name}</bdi></code>}
        {props.badges?.map((badge) => <span key={badge} class={`badge ${badge}`}>{badge}</span>)}
      </p>
      {props.description && <Markdown text={props.description} />}
      <form ref={form} onSubmit={(event) => { event.preventDefault(); run(); }}>
        <Form schema={schema} value={value} change={setValue} empty={props.section === "resources" ? undefined : "It takes no arguments."} />
        {wrong && <p class="problem" role="alert">{wrong}</p>}
        <p class="actions">
          <button type="submit" class="primary" disabled={call.isRunning}>{call.isRunning ? "Running …" : props.verb}</button>
          <span class="quiet hint">Ctrl + Enter</span>
        </p>
      </form>
      <Outcome call={call} signIn={props.signIn} />
    </article>
  );
}

type Common = Pick<Props, "given" | "onEnd" | "signIn">;

export function ToolRunner({ tool, ...common }: Common & { tool: Tool }) {
  const annotations = tool.annotations ?? {};
  const badges = [];
  if (annotations["readOnlyHint"] === true) badges.push("read-only");
  else if (annotations["destructiveHint"] === true) badges.push("destructive");
  if (annotations["openWorldHint"] === true) badges.push("open world");
  const schema = isObject(tool.inputSchema) ? tool.inputSchema : {};
  return (
    <Runner {...common} section="tools" title={tool.title || tool.name} name={tool.name} description={tool.description} badges={badges}
      schema={schema} verb="Run" target={(value) => ({ method: "tools/call", params: { name: tool.name, arguments: value }, schema })} />
  );
}

export function PromptRunner({ prompt, ...common }: Common & { prompt: Prompt }) {
  const parameters = Array.isArray(prompt.arguments) ? prompt.arguments : [];
  const schema: JsonObject = {
    type: "object",
    additionalProperties: false,
    properties: Object.fromEntries(
      parameters.map(({ name, title, description }) => [name, { type: "string", title: title ?? name, description: description ?? "" }]),
    ),
    required: parameters.filter(({ required }) => required).map(({ name }) => name),
  };
  return (
    <Runner {...common} section="prompts" title={prompt.title || prompt.name} name={prompt.name} description={prompt.description} schema={schema}
      verb="Get the prompt" target={(value) => ({ method: "prompts/get", params: { name: prompt.name, arguments: value } })} />
  );
}

export function ResourceRunner({ uri, resource, ...common }: Common & { uri: string; resource: Resource | undefined }) {
  const template = resource?.uriTemplate;
  const names = template === undefined ? [] : variables(template);
  const schema: JsonObject = {
    type: "object",
    additionalProperties: false,
    properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
    required: names,
  };
  const expanded = (value: JsonObject) => (template === undefined ? uri : expand(template, value));
  return (
    <Runner {...common} section="resources" title={resource?.title || resource?.name || uri} name={uri} description={resource?.description} schema={schema}
      verb="Read" target={(value) => ({ method: "resources/read", params: { uri: expanded(value) } })} />
  );
}

/** The expressions of a URI template (RFC 6570), of which the simple and the reserved ones are expanded. */
const EXPRESSION = /\{([+]?)([\w.,%]+)\*?\}/g;

function variables(template: string): string[] {
  return [...template.matchAll(EXPRESSION)].flatMap(([, , names = ""]) => names.split(","));
}

function expand(template: string, value: JsonObject): string {
  return template.replace(EXPRESSION, (_, operator: string, names: string) =>
    names
      .split(",")
      .map((name) => {
        const text = String(value[name] ?? "");
        return operator === "+" ? encodeURI(text) : encodeURIComponent(text);
      })
      .join(","),
  );
}
