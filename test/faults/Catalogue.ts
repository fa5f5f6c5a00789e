/** Every scenario by name, and which one a request meets. */
import { connectionScripts } from "./ConnectionScripts.ts"
import { endingScripts } from "./EndingScripts.ts"
import type { Script, Scripts } from "./Exchange.ts"
import { sendJson } from "./Exchange.ts"
import { framingScripts } from "./FramingScripts.ts"
import type { HttpRequest } from "./Http1.ts"
import { statusScripts } from "./StatusScripts.ts"
import { streamScripts } from "./StreamScripts.ts"

export const scripts: Scripts = {
  ...statusScripts,
  ...connectionScripts,
  ...streamScripts,
  ...endingScripts,
  ...framingScripts
}

/** What a whole outage looks like from outside. */
export type Outage = "503" | "reset-before-headers" | "silence"

/** The parts of a chat request that scenarios look at; anything odd counts as absent. */
export const askedIn = (body: string) => {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    value = {}
  }
  // The request is the gateway's; each field is checked by its own type below.
  const asked = Object(value) as Record<string, unknown>
  const options = Object(asked["stream_options"]) as Record<string, unknown>
  const messages: ReadonlyArray<unknown> = Array.isArray(asked["messages"]) ? asked["messages"] : []
  const last = Object(messages.at(-1)) as Record<string, unknown>
  return {
    model: typeof asked["model"] === "string" ? asked["model"] : "",
    stream: asked["stream"] === true,
    includeUsage: asked["stream"] === true && options["include_usage"] === true,
    lastRole: typeof last["role"] === "string" ? last["role"] : undefined
  }
}

export const isCompletion = (request: HttpRequest): boolean =>
  request.method === "POST" && request.path.split("?")[0] === "/v1/chat/completions"

const models: Script = {
  faults: [],
  does: "the list of scenarios",
  run: (exchange) => {
    const data = Object.keys(scripts).map((id) => ({ id, object: "model", created: 1_795_000_000, owned_by: "faults" }))
    return sendJson(exchange, 200, { object: "list", data })
  }
}

/** The script a request meets; throws on a scenario that does not exist, which is the test's mistake. */
export const scriptOf = (request: HttpRequest, model: string, outage: Outage | undefined): Script => {
  if (request.method === "GET" && request.path === "/v1/models") return models
  const name = isCompletion(request) ? outage ?? model.split("#")[0]?.split(":")[0] ?? "" : request.path
  const script = Object.hasOwn(scripts, name) ? scripts[name] : undefined
  if (script === undefined) throw new Error(`no scenario called ${name}`)
  return script
}
