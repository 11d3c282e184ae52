// One call from its start to its end: progress, log, questions, result.

import { useEffect, useRef, useState } from "preact/hooks";

import { RequestError, request } from "./client";
import { isObject, text, type Answer, type Json, type JsonObject, type Question } from "./protocol";

/** Lines of a log that are kept; the oldest go. */
const MAX_LOG_LINES = 1_000;
/** Rounds of questions; the host allows sixteen. */
const MAX_ROUNDS = 32;

export interface LogLine {
  level: string;
  message: string;
}

export interface Progress {
  done: number;
  total: number | undefined;
  message: string;
}

/** A request that runs a tool or the like. */
export interface Target {
  method: "tools/call" | "prompts/get" | "resources/read";
  params: JsonObject;
  /** The input schema of a tool. */
  schema?: Json;
}

export interface Ended {
  target: Target;
  /** The result; undefined if the call failed or was cancelled. */
  result?: JsonObject;
  /** The sentence of a failure. */
  failure?: string;
  /** The scopes that the caller lacks. */
  scopes?: string;
  /** Whether a token is needed. */
  isUnauthorized?: boolean;
  isCancelled?: boolean;
  milliseconds: number;
  at: Date;
}

export interface Call {
  isRunning: boolean;
  startedAt: number;
  progress: Progress | undefined;
  log: LogLine[];
  questions: [string, Question][];
  ended: Ended | undefined;
  run: (target: Target) => void;
  cancel: () => void;
  answer: (answers: Record<string, Answer>) => void;
}

interface Running {
  abort: AbortController;
  /** Hears of the answers to the questions that are shown. */
  answered: ((answers: Record<string, Answer>) => void) | undefined;
}

/** State of one call at a time. `onEnd` hears of each that ended; `key` starts anew when it changes. */
export function useCall(key: string, onEnd: (ended: Ended) => void): Call {
  const [isRunning, setRunning] = useState(false);
  const [startedAt, setStartedAt] = useState(0);
  const [progress, setProgress] = useState<Progress>();
  const [log, setLog] = useState<LogLine[]>([]);
  const [questions, setQuestions] = useState<[string, Question][]>([]);
  const [ended, setEnded] = useState<Ended>();
  const current = useRef<Running>(undefined);
  useEffect(
    () => () => {
      current.current?.abort.abort();
      current.current = undefined;
      setRunning(false);
      setProgress(undefined);
      setLog([]);
      setQuestions([]);
      setEnded(undefined);
    },
    [key],
  );

  const run = (target: Target) => {
    const abort = new AbortController();
    const mine: Running = { abort, answered: undefined };
    current.current = mine;
    const isCurrent = () => current.current === mine;
    // Time in which the user reads a question is not that of the call.
    let waited = 0;
    const start = performance.now();
    setRunning(true);
    setStartedAt(start);
    setProgress(undefined);
    setLog([]);
    setQuestions([]);
    setEnded(undefined);

    const notified = (method: string, params: JsonObject) => {
      if (!isCurrent()) return;
      if (method === "notifications/progress") {
        const total = params["total"];
        setProgress({
          done: Number(params["progress"]),
          total: typeof total === "number" && total > 0 ? total : undefined,
          message: text(params["message"]),
        });
      } else if (method === "notifications/message") {
        const data = params["data"];
        const line = { level: text(params["level"]), message: typeof data === "string" ? data : JSON.stringify(data) };
        setLog((lines) => [...lines.slice(1 - MAX_LOG_LINES), line]);
      }
    };
    const ask = (requests: JsonObject): Promise<Record<string, Answer>> => {
      const asked = Object.entries(requests).flatMap(([key, value]): [string, Question][] =>
        isObject(value) ? [[key, { method: text(value["method"]), params: isObject(value["params"]) ? value["params"] : {} }]] : [],
      );
      setQuestions(asked);
      const since = performance.now();
      return new Promise((resolve, reject) => {
        mine.answered = (answers) => {
          setQuestions([]);
          waited += performance.now() - since;
          resolve(answers);
        };
        abort.signal.addEventListener("abort", () => reject(new Error("cancelled")));
      });
    };
    const rounds = async (): Promise<JsonObject> => {
      let params = target.params;
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const result = await request(target.method, params, { signal: abort.signal, notified, schema: target.schema });
        if (result["resultType"] !== "input_required") return result;
        const requests = isObject(result["inputRequests"]) ? result["inputRequests"] : {};
        const answers = Object.keys(requests).length > 0 ? await ask(requests) : {};
        const state = result["requestState"];
        params = {
          ...target.params,
          inputResponses: answers as unknown as JsonObject,
          ...(state === undefined ? {} : { requestState: state }),
        };
      }
      throw new RequestError("the tool asks too many questions", 0, "");
    };
    const end = (outcome: Partial<Ended>) => {
      if (!isCurrent()) return;
      const ended: Ended = { target, milliseconds: performance.now() - start - waited, at: new Date(), ...outcome };
      current.current = undefined;
      setRunning(false);
      setQuestions([]);
      setEnded(ended);
      onEnd(ended);
    };
    rounds().then(
      (result) => end({ result }),
      (error: unknown) => {
        if (abort.signal.aborted) end({ isCancelled: true, failure: "The call was cancelled." });
        else if (error instanceof RequestError) {
          end({ failure: error.message, scopes: error.scopes, isUnauthorized: error.status === 401 });
        } else end({ failure: error instanceof Error ? error.message : String(error) });
      },
    );
  };
  return {
    isRunning, startedAt, progress, log, questions, ended, run,
    cancel: () => current.current?.abort.abort(),
    answer: (answers) => current.current?.answered?.(answers),
  };
}
