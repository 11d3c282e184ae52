// Shared code of both TypeScript clients. They execute a list of steps and print their observations as JSON.
// Usage: … URL TOKEN MODE INPUT
// INPUT: {"steps": […], "answers": the values of form fields, by name}
//   {"do": "tools"}, {"do": "resources"}, {"do": "templates"}, {"do": "prompts"}   -> the list
//   {"do": "call", "name": …, "arguments": …}      -> the result
//   {"do": "cancel", "name": …, "arguments": …}    -> nothing; cancelled when the tool first reports progress
//   {"do": "read", "uri": …}, {"do": "prompt", "name": …, "arguments": …}          -> the result
//   {"do": "complete", "prompt": …, "argument": …, "value": …}                     -> the result
// Output: {"version": …, "steps": [{"result": …} or {"code": …, "failed": …}, with "progress"]}

const [url, token, mode, input] = process.argv.slice(2);
const { steps, answers } = JSON.parse(input);

export { mode };

export const headers = { Authorization: `Bearer ${token}` };

export const endpoint = new URL(url);

/** The user: fills in each field of a form from `answers`. */
export async function user(request) {
  const fields = Object.keys(request.params.requestedSchema.properties);
  const content = Object.fromEntries(fields.map((field) => [field, answers[field]]));
  return { action: "accept", content };
}

/** The model: returns the same text for every request. */
export async function model() {
  return { role: "assistant", content: { type: "text", text: answers.model }, model: "test" };
}

/** Executes all steps. `callTool(params, options)` differs between the clients. */
export async function run(client, version, callTool) {
  const observations = [];
  for (const step of steps) {
    const progress = [];
    try {
      observations.push({ result: await execute(client, step, progress, callTool), progress });
    } catch (error) {
      observations.push({ code: error.code, failed: error.message, progress });
    }
  }
  await client.close();
  console.log(JSON.stringify({ version: version(), steps: observations }));
}

async function execute(client, { do: action, ...params }, progress, callTool) {
  const onprogress = (event) => progress.push(event.progress);
  switch (action) {
    case "tools":
      return (await client.listTools()).tools;
    case "resources":
      return (await client.listResources()).resources;
    case "templates":
      return (await client.listResourceTemplates()).resourceTemplates;
    case "prompts":
      return (await client.listPrompts()).prompts;
    case "read":
      return client.readResource(params);
    case "prompt":
      return client.getPrompt(params);
    case "complete": {
      const ref = { type: "ref/prompt", name: params.prompt };
      return client.complete({ ref, argument: { name: params.argument, value: params.value } });
    }
    case "call":
      return callTool(params, { onprogress });
    case "cancel": {
      const controller = new AbortController();
      const cancelOnProgress = (event) => {
        onprogress(event);
        controller.abort("enough");
      };
      return callTool(params, { onprogress: cancelOnProgress, signal: controller.signal });
    }
  }
  throw new Error(`unknown step: ${action}`);
}
