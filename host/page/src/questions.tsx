// Questions of a running tool (elicitation): forms, and pages to visit.

import { useEffect, useRef, useState } from "preact/hooks";

import { Form } from "./form";
import { Markdown, webUrl } from "./markdown";
import { isObject, text, type Answer, type JsonObject, type Question } from "./protocol";
import { initial, problem, type Value } from "./schema";

interface Props {
  questions: [string, Question][];
  answer: (answers: Record<string, Answer>) => void;
}

export function Questions({ questions, answer }: Props) {
  const [values, setValues] = useState<Record<string, Value>>(() =>
    Object.fromEntries(questions.map(([key, question]) => [key, initial(schemaOf(question), schemaOf(question), true)])),
  );
  const [wrong, setWrong] = useState("");
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const accept = () => {
    for (const value of Object.values(values)) {
      const found = problem(value);
      if (found !== undefined) {
        setWrong(found);
        return;
      }
    }
    const accepted = questions.map(([key, question]): [string, Answer] => {
      const content = values[key];
      const hasForm = !isUrl(question);
      return [key, hasForm && isObject(content) ? { action: "accept", content: content as JsonObject } : { action: "accept" }];
    });
    answer(Object.fromEntries(accepted));
  };
  const refuse = (action: "decline" | "cancel") => answer(Object.fromEntries(questions.map(([key]) => [key, { action }])));
  return (
    <form class="questions" aria-label="Questions of the tool"
      onSubmit={(event) => {
        event.preventDefault();
        accept();
      }}>
      <h3 ref={heading} tabIndex={-1}>The tool asks</h3>
      {questions.map(([key, question]) => (
        <div key={key} class="question spaced">
          <Markdown text={text(question.params["message"])} />
          {isUrl(question) ? (
            <Visit url={text(question.params["url"])} />
          ) : (
            <Form schema={schemaOf(question)} value={values[key]} change={(value) => setValues((old) => ({ ...old, [key]: value }))} />
          )}
        </div>
      ))}
      {wrong && <p class="problem" role="alert">{wrong}</p>}
      <p class="actions">
        <button type="submit" class="primary">Answer</button>
        <button type="button" onClick={() => refuse("decline")}>Decline</button>
        <button type="button" onClick={() => refuse("cancel")}>Dismiss</button>
      </p>
    </form>
  );
}

/** The address of a page that the tool wants to be visited, shown in full before it is opened. */
function Visit({ url }: { url: string }) {
  const target = webUrl(url);
  return (
    <p>
      It wants you to open <code><bdi>{url}</bdi></code>
      {target === undefined ? ", which is not an address of the web." : <>: <a href={target} target="_blank" rel="noopener noreferrer">open {new URL(target).host}</a>. Answer when you are done there.</>}
    </p>
  );
}

function isUrl(question: Question): boolean {
  return question.params["mode"] === "url";
}

function schemaOf(question: Question): JsonObject {
  const schema = question.params["requestedSchema"];
  return isObject(schema) ? schema : { type: "object", properties: {}, additionalProperties: false };
}
