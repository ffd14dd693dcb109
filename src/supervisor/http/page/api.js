// How the dashboard asks the supervisor that served it.

let token = sessionStorage.getItem("token") ?? "";
let askForToken = () => {};

export function useToken(text) {
  token = text;
  sessionStorage.setItem("token", text);
}

// What is done when a token is wanted.
export function onTokenWanted(action) {
  askForToken = action;
}

export class Problem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function ask(method, path, options = {}) {
  const headers = { ...options.headers };
  const used = token;
  if (used) headers.Authorization = `Bearer ${used}`;
  let answer;
  try {
    answer = await fetch(path, { ...options, method, headers, cache: "no-store" });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Problem(0, "the supervisor cannot be reached");
  }
  if (answer.ok) return answer;
  let message = `status ${answer.status}`;
  try {
    const told = await answer.json();
    message = [told.error, ...(told.attempts ?? [])].join("\n");
  } catch {
    // No JSON: the status has to do.
  }
  // An answer to what was asked before the token was given says nothing of it.
  if (answer.status === 401 && used === token) askForToken();
  throw new Problem(answer.status, message);
}

export const json = async (path) => (await ask("GET", path)).json();

// Server-sent events of a body. (An EventSource could not send a token.)
async function* serverSent(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const event = { event: "message" };
      for (const line of part.split("\n")) {
        const at = line.indexOf(": ");
        if (at > 0) event[line.slice(0, at)] = line.slice(at + 2);
      }
      if (event.data) yield { kind: event.event, id: event.id, item: JSON.parse(event.data) };
    }
  }
}

// Follows a stream, and comes back to it, until it is stopped or `take` returns true.
export function follow(path, begin, take, failed) {
  const control = new AbortController();
  const { signal } = control;
  const run = async () => {
    let wait = 500;
    let last = null;
    while (!signal.aborted) {
      try {
        const headers = { Accept: "text/event-stream" };
        if (last !== null) headers["Last-Event-ID"] = last;
        const answer = await ask("GET", path, { headers, signal });
        wait = 500;
        begin(last);
        for await (const event of serverSent(answer.body)) {
          if (signal.aborted) return;
          last = event.id ?? last;
          if (take(event)) return;
        }
      } catch (problem) {
        if (signal.aborted) return;
        if (problem.status >= 400 && problem.status < 500) return failed?.(problem);
      }
      await new Promise((done) => setTimeout(done, wait));
      wait = Math.min(2 * wait, 8000);
    }
  };
  run();
  return () => control.abort();
}
