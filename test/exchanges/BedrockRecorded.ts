/** The recorded traffic of Bedrock Converse, read at test time; empty where it is absent. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { eventFrame } from "../providers/AwsFrames.ts"

// Recorded JSON, read by hand.
type Loose = any

export interface Recording {
  readonly name: string
  readonly path: string
  readonly request: Loose
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Loose
  /** Payloads of the frames, with their type as the only member; empty for a whole answer. */
  readonly events: ReadonlyArray<Loose>
  /** The frames; those of a client's capture are framed again. */
  readonly bytes: Buffer
}

const folder = join(import.meta.dirname, "../../../shared/fixtures/exchanges")
export const isPresent = existsSync(folder)

const eventsOf = (response: Loose): ReadonlyArray<Loose> =>
  response.chunks ?? response.events?.map(({ payload, type }: Loose) => ({ [type]: payload })) ?? []

const read = (name: string): Recording => {
  const { request, response } = JSON.parse(readFileSync(join(folder, name), "utf8"))
  const events = eventsOf(response)
  return {
    name,
    path: request.path,
    request: request.body,
    status: response.status,
    headers: response.headers,
    body: response.body,
    events,
    bytes: response.base64 !== undefined
      ? Buffer.from(response.base64, "base64")
      : Buffer.concat(
        events.flatMap((event) => Object.entries(event).map(([type, payload]) => eventFrame(type, payload)))
      )
  }
}

export const recordings: ReadonlyArray<Recording> = isPresent
  ? readdirSync(folder).filter((name) => name.startsWith("bedrock--converse")).sort().map(read)
  : []
