// What both TypeScript clients share: they do step by step what they are given, and print what they saw as JSON.
// Usage: … URL TOKEN MODE TODO
// TODO: {"steps": […], "answers": what the user fills into a form, by field}
//   {"do": "tools"}, {"do": "resources"}, {"do": "templates"}, {"do": "prompts"}   -> the list
//   {"do": "call", "name": …, "arguments": …}      -> the result
//   {"do": "cancel", "name": …, "arguments": …}    -> nothing; cancelled when the tool first reports progress
//   {"do": "read", "uri": …}, {"do": "prompt", "name": …, "arguments": …}          -> the result
//   {"do": "complete", "prompt": …, "argument": …, "value": …}                     -> the result
// What is printed: {"version": …, "steps": [{"result": …} or {"code": …, "failed": …}, with "progress"]}

const [url, token, mode, todo] = process.argv.slice(2);
const { steps, answers } = JSON.parse(todo);

export { mode };

export const headers = { Authorization: `Bearer ${token}` };

export const endpoint = new URL(url);

/** The user: fills in of a form what they know. */
export async function user(request) {
  const fields = Object.keys(request.params.requestedSchema.properties);
  const content = Object.fromEntries(fields.map((field) => [field, answers[field]]));
  return { action: "accept", content };
}

/** The model: says the same to everything. */
export async function model() {
  return { role: "assistant", content: { type: "text", text: answers.model }, model: "test" };
}

/** Does every step. `callTool(call, options)` is what differs between the clients. */
export async function run(client, version, callTool) {
  const seen = [];
  for (const step of steps) {
    const progress = [];
    try {
      seen.push({ result: await take(client, step, progress, callTool), progress });
    } catch (error) {
      seen.push({ code: error.code, failed: error.message, progress });
    }
  }
  await client.close();
  console.log(JSON.stringify({ version: version(), steps: seen }));
}

async function take(client, { do: what, ...step }, progress, callTool) {
  const onprogress = (event) => progress.push(event.progress);
  switch (what) {
    case "tools":
      return (await client.listTools()).tools;
    case "resources":
      return (await client.listResources()).resources;
    case "templates":
      return (await client.listResourceTemplates()).resourceTemplates;
    case "prompts":
      return (await client.listPrompts()).prompts;
    case "read":
      return client.readResource(step);
    case "prompt":
      return client.getPrompt(step);
    case "complete": {
      const ref = { type: "ref/prompt", name: step.prompt };
      return client.complete({ ref, argument: { name: step.argument, value: step.value } });
    }
    case "call":
      return callTool(step, { onprogress });
    case "cancel": {
      const stop = new AbortController();
      const started = (event) => {
        onprogress(event);
        stop.abort("enough");
      };
      return callTool(step, { onprogress: started, signal: stop.signal });
    }
  }
  throw new Error(`no such step: ${what}`);
}
