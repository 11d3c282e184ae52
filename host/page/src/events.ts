// Reads an event stream (HTML Living Standard, server-sent events) from the body of a response.

/** Characters of one event; a result is at most as large as the host allows, which is less. */
const MAX_EVENT_CHARACTERS = 256 << 20;

/** Yields the data of each event that has some. */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  // Parts of the line that is not complete yet, joined only at its end.
  let parts: string[] = [];
  let length = 0;
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = decoder.decode(value, { stream: true }).split("\n");
      const rest = lines.pop() ?? "";
      for (const end of lines) {
        const line = (parts.join("") + end).replace(/\r$/, "");
        parts = [];
        if (line.startsWith("data:")) {
          data.push(line.slice(5).replace(/^ /, ""));
        } else if (line === "") {
          const event = data.join("\n");
          data = [];
          length = 0;
          if (event !== "") yield event;
        }
      }
      parts.push(rest);
      length += value.length;
      if (length > MAX_EVENT_CHARACTERS) throw new Error("the server sent an event that is too large to show");
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}
