// A form made from a JSON Schema, with the raw JSON as a way out.

import { useId, useState } from "preact/hooks";

import { Markdown } from "./markdown";
import { isObject, text, type JsonObject } from "./protocol";
import { Invalid, define, field, initial, resolve, simplify, type Choice, type Field, type Value } from "./schema";

interface FieldProps {
  name: string;
  schema: JsonObject;
  root: JsonObject;
  value: Value;
  change: (value: Value) => void;
  isRequired: boolean;
  depth: number;
}

/** The form of an object, such as the arguments of a tool. `empty` is said where it has no properties. */
export function Form({ schema, value, change, empty }: { schema: JsonObject; value: Value; change: (value: Value) => void; empty?: string }) {
  const [isRaw, setRaw] = useState(false);
  const form = field(resolve(schema, schema), schema, 0);
  const isEmpty = form.kind === "object" && form.properties.length === 0 && schema["additionalProperties"] === false;
  if (isEmpty) return <>{empty && <p class="quiet">{empty}</p>}</>;
  const hasFields = form.kind !== "json" && !(form.kind === "object" && form.properties.length === 0);
  return (
    <div class="form">
      {hasFields && (
        <label class="switch raw">
          <input type="checkbox" checked={isRaw} onChange={(event) => setRaw(event.currentTarget.checked)} />
          Edit as JSON
        </label>
      )}
      {isRaw || !hasFields ? (
        <div class="field">
          <JsonInput label="Arguments as JSON" value={value} change={change} isRequired rows={8} />
        </div>
      ) : (
        <Input name="" schema={schema} root={schema} value={value} change={change} isRequired depth={0} />
      )}
    </div>
  );
}

/** A labelled field. */
function Labelled(props: FieldProps) {
  const id = useId();
  const schema = simplify(resolve(props.schema, props.root), props.root);
  const form = field(schema, props.root, props.depth);
  const title = text(schema["title"]) || props.name;
  const description = text(schema["description"]);
  const isGroup = form.kind === "object" || form.kind === "list" || form.kind === "choices" || form.kind === "variants";
  const label = (
    <>
      <bdi>{title}</bdi>
      {props.isRequired ? <span class="required" title="required">*</span> : <span class="optional">optional</span>}
    </>
  );
  const help = description && (
    <div class="help" id={`${id}-help`}>
      <Markdown text={description} />
    </div>
  );
  if (isGroup) {
    return (
      <fieldset class="field group">
        <legend>{label}</legend>
        {help}
        <Optional {...props} schema={schema} />
      </fieldset>
    );
  }
  return (
    <div class={`field ${form.kind}`}>
      <label for={id}>{label}</label>
      <Input {...props} schema={schema} id={id} />
      {help}
    </div>
  );
}

/** An object, a list or the like is left out until it is added. So a form is as large as its value, however a schema nests. */
function Optional(props: FieldProps) {
  if (props.value !== undefined) {
    return (
      <>
        <Input {...props} />
        {!props.isRequired && (
          <button type="button" class="small" onClick={() => props.change(undefined)}>
            Leave out
          </button>
        )}
      </>
    );
  }
  return (
    <button type="button" class="small" onClick={() => props.change(initial(props.schema, props.root, true, props.depth) ?? null)}>
      Add
    </button>
  );
}

function Input(props: FieldProps & { id?: string }) {
  const { value, change, isRequired, id } = props;
  const schema = simplify(resolve(props.schema, props.root), props.root);
  const form = field(schema, props.root, props.depth);
  switch (form.kind) {
    case "text":
      return <TextInput {...props} form={form} />;
    case "number":
      return <NumberInput {...props} form={form} schema={schema} />;
    case "boolean":
      return (
        <input id={id} type="checkbox" checked={value === true} onChange={(event) => change(event.currentTarget.checked)} />
      );
    case "choice":
      return <Select id={id} choices={form.choices} value={value} change={change} isRequired={isRequired} />;
    case "choices":
      return <Checkboxes choices={form.choices} value={value} change={change} />;
    case "list":
      return <ListInput {...props} form={form} />;
    case "object":
      return <ObjectInput {...props} form={form} />;
    case "variants":
      return <Variants {...props} form={form} />;
    case "json":
      return <JsonInput id={id} label={props.name} value={value} change={change} isRequired={isRequired} rows={3} />;
  }
}

type Props<Kind> = FieldProps & { id?: string; form: Extract<Field, { kind: Kind }> };

type InputType = "email" | "url" | "date" | "time" | "password";
const INPUT_TYPES: Record<string, InputType> = { email: "email", uri: "url", date: "date", time: "time", password: "password" };

function TextInput({ id, form, value, change, isRequired }: Props<"text">) {
  const shown = typeof value === "string" ? value : "";
  const typed = (text: string) => change(text === "" && !isRequired ? undefined : text);
  const type = Object.hasOwn(INPUT_TYPES, form.format) ? INPUT_TYPES[form.format] : undefined;
  if (type === undefined && form.isLong) {
    const rows = Math.min(12, shown.split("\n").length);
    return <textarea id={id} rows={rows} spellcheck={false} value={shown} onInput={(event) => typed(event.currentTarget.value)} />;
  }
  const isNeeded = isRequired && type !== undefined;
  // The types of preact have a variant for each.
  const shownType = (type ?? "text") as "text";
  return <input id={id} type={shownType} required={isNeeded} value={shown} onInput={(event) => typed(event.currentTarget.value)} />;
}

function NumberInput({ id, form, value, change, isRequired, schema }: Props<"number">) {
  const shown = value instanceof Invalid ? value.typed : value === undefined || value === null ? "" : String(value);
  const typed = (text: string) => {
    const number = Number(text);
    if (text.trim() === "") change(undefined);
    else if (Number.isFinite(number) && (!form.isInteger || Number.isInteger(number))) change(number);
    else change(new Invalid(text, `“${text}” is not ${form.isInteger ? "an integer" : "a number"}`));
  };
  const bounds = { minimum: schema["minimum"], maximum: schema["maximum"] };
  const hint = [bounds.minimum, bounds.maximum].every((bound) => typeof bound === "number")
    ? `${String(bounds.minimum)} to ${String(bounds.maximum)}`
    : undefined;
  return (
    <>
      <input id={id} inputMode={form.isInteger ? "numeric" : "decimal"} required={isRequired} value={shown} placeholder={hint}
        autocomplete="off" aria-invalid={value instanceof Invalid} onInput={(event) => typed(event.currentTarget.value)} />
      <Problem value={value} />
    </>
  );
}

function Problem({ value }: { value: Value }) {
  return value instanceof Invalid ? <p class="problem">{value.problem}</p> : null;
}

function Select({ id, choices, value, change, isRequired }: { id?: string; choices: Choice[]; value: Value; change: (value: Value) => void; isRequired: boolean }) {
  const selected = choices.findIndex((choice) => JSON.stringify(choice.value) === JSON.stringify(value));
  return (
    <select id={id} required={isRequired} value={selected < 0 ? "" : String(selected)}
      onChange={(event) => change(choices[Number.parseInt(event.currentTarget.value, 10)]?.value)}>
      <option value="">{isRequired ? "Choose …" : "—"}</option>
      {choices.map((choice, index) => (
        <option key={index} value={String(index)}>{choice.label}</option>
      ))}
    </select>
  );
}

function Checkboxes({ choices, value, change }: { choices: Choice[]; value: Value; change: (value: Value) => void }) {
  const chosen = Array.isArray(value) ? (value as Value[]) : [];
  const has = (choice: Choice) => chosen.some((value) => JSON.stringify(value) === JSON.stringify(choice.value));
  return (
    <div class="checkboxes">
      {choices.map((choice, index) => (
        <label key={index} class="switch">
          <input type="checkbox" checked={has(choice)}
            onChange={(event) => {
              const isChosen = event.currentTarget.checked;
              change(choices.filter((other) => (other === choice ? isChosen : has(other))).map((other) => other.value));
            }} />
          <bdi>{choice.label}</bdi>
        </label>
      ))}
    </div>
  );
}

function ListInput({ form, value, change, root, depth, name }: Props<"list">) {
  const items = Array.isArray(value) ? (value as Value[]) : [];
  return (
    <div class="items">
      {items.map((item, index) => (
        <div key={index} class="item">
          <Labelled name={`${name} ${index + 1}`} schema={form.items} root={root} value={item} isRequired depth={depth + 1}
            change={(next) => change(items.map((old, at) => (at === index ? next : old)))} />
          <button type="button" class="small" aria-label={`Remove ${name} ${index + 1}`} onClick={() => change(items.filter((_, at) => at !== index))}>
            ✕
          </button>
        </div>
      ))}
      <button type="button" class="small" onClick={() => change([...items, initial(form.items, root, true, depth + 1)])}>
        Add an item
      </button>
    </div>
  );
}

function ObjectInput({ form, value, change, root, depth }: Props<"object">) {
  const object = isObject(value) && !(value instanceof Invalid) ? (value as { [key: string]: Value }) : {};
  const changed = (name: string, next: Value) => {
    const copy: { [key: string]: Value } = {};
    for (const [key, old] of Object.entries(object)) if (key !== name) define(copy, key, old);
    if (next !== undefined) define(copy, name, next);
    change(copy);
  };
  return (
    <div class="fields">
      {form.properties.map(([name, schema]) => (
        <Labelled key={name} name={name} schema={schema} root={root} depth={depth + 1} isRequired={form.required.has(name)}
          value={Object.hasOwn(object, name) ? object[name] : undefined} change={(next) => changed(name, next)} />
      ))}
    </div>
  );
}

function Variants({ form, value, change, root, depth, name }: Props<"variants">) {
  const [chosen, choose] = useState(0);
  const variant = form.variants[chosen] ?? {};
  const label = (schema: JsonObject, index: number) => {
    const resolved = resolve(schema, root);
    return text(resolved["title"]) || text(resolved["type"]) || `variant ${index + 1}`;
  };
  return (
    <div class="fields">
      <select aria-label={`Variant of ${name}`} value={String(chosen)}
        onChange={(event) => {
          const next = Number.parseInt(event.currentTarget.value, 10);
          choose(next);
          change(initial(form.variants[next] ?? {}, root, true, depth + 1) ?? null);
        }}>
        {form.variants.map((schema, index) => (
          <option key={index} value={String(index)}>{label(schema, index)}</option>
        ))}
      </select>
      <Input key={chosen} name={name} schema={variant} root={root} value={value} change={(next) => change(next ?? null)} isRequired depth={depth + 1} />
    </div>
  );
}

function JsonInput({ id, label, value, change, isRequired, rows }: { id?: string; label: string; value: Value; change: (value: Value) => void; isRequired: boolean; rows: number }) {
  const [typed, setTyped] = useState(() =>
    value instanceof Invalid ? value.typed : value === undefined ? "" : JSON.stringify(value, null, 2),
  );
  const input = (text: string) => {
    setTyped(text);
    if (text.trim() === "" && !isRequired) {
      change(undefined);
      return;
    }
    try {
      change(JSON.parse(text) as Value);
    } catch (error) {
      change(new Invalid(text, `This is not JSON: ${error instanceof Error ? error.message : ""}`));
    }
  };
  return (
    <>
      <textarea id={id} class="code" aria-label={id === undefined ? label : undefined} rows={rows} spellcheck={false} value={typed} placeholder={isRequired ? "{}" : "JSON"}
        aria-invalid={value instanceof Invalid} onInput={(event) => input(event.currentTarget.value)} />
      <Problem value={value} />
    </>
  );
}
