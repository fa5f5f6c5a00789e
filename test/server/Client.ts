/** Asks a server without a socket and reads its answer whole. */
import { Ajv2020 } from "ajv/dist/2020.js"
import { readFileSync } from "node:fs"
import type { makeServer } from "./Fake.ts"

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

export const ask = async (
  server: ReturnType<typeof makeServer>,
  path: string,
  init: { method?: string; body?: string; headers?: Record<string, string> } = {}
): Promise<Reply> => {
  const response = await server.handler(
    new Request(`http://127.0.0.1:8000${path}`, { ...init, headers: { host: "127.0.0.1:8000", ...init.headers } })
  )
  return { status: response.status, headers: response.headers, text: await response.text() }
}

export const chatPath = "/v1/chat/completions"

export const postText = (server: ReturnType<typeof makeServer>, body: string, headers: Record<string, string> = {}) =>
  ask(server, chatPath, { method: "POST", body, headers: { "content-type": "application/json", ...headers } })

export const hello = { model: "fast", messages: [{ role: "user", content: "Hello" }] }

export const post = (server: ReturnType<typeof makeServer>, body: unknown, headers: Record<string, string> = {}) =>
  postText(server, JSON.stringify(body), headers)

const specification = (name: string): string | undefined => {
  try {
    return readFileSync(new URL(`../../../shared/fixtures/openai-spec/${name}.schema.json`, import.meta.url), "utf8")
  } catch {
    return undefined
  }
}

const errorSpecification = specification("error-response")

/** Compiled once, for that takes longer than most requests. */
const validate = errorSpecification === undefined
  ? undefined
  : new Ajv2020({ strict: false }).compile(JSON.parse(errorSpecification))

/** The faults that OpenAI's own schema finds in an error body; without the schema only the four keys are checked. */
export const envelopeFaults = (text: string): ReadonlyArray<string> => {
  const body: unknown = JSON.parse(text)
  const { error } = body as { error: Record<string, unknown> }
  const keys = Object.keys(error).sort().join()
  if (keys !== "code,message,param,type") return [`keys are ${keys}`]
  if (validate === undefined) return []
  return validate(body) ? [] : (validate.errors ?? []).map((fault) => `${fault.instancePath} ${fault.message}`)
}

export const errorOf = (reply: Reply): { message: string; type: string; param: string | null; code: string | null } =>
  JSON.parse(reply.text).error

/** The data of each event of a stream. */
export const eventsOf = (reply: Reply): ReadonlyArray<string> =>
  reply.text.split("\n\n").filter((event) => event !== "").map((event) => event.replace(/^data: /, ""))
