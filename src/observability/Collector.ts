/** Sends batches to an OTLP/HTTP receiver through Effect's client. Traps: the sending is itself never traced, and a receiver may take a part only. */
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Redacted from "effect/Redacted"
import type { SendFailure } from "./ExportQueue.ts"

export interface CollectorOptions {
  /** The traces endpoint itself. */
  readonly url: string
  readonly headers: Readonly<Record<string, Redacted.Redacted>>
  /** For one batch, in milliseconds. */
  readonly timeoutMs: number
  readonly compression: "gzip" | "none"
}

const transient: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

/** As much of a collector's answer as is read. */
interface Taken {
  readonly partialSuccess?: { readonly rejectedSpans?: number | undefined } | undefined
}

/** Reads the body of an answer; may throw. */
type Read = (body: Uint8Array) => Taken | undefined

const decoder = new TextDecoder()
const readJson: Read = (body) => JSON.parse(decoder.decode(body))

/** How many spans a collector would not have, as its answer says; 0 where it says nothing. */
const rejectedIn = (read: Read, body: Uint8Array): number => {
  try {
    const count = Number(read(body)?.partialSuccess?.rejectedSpans ?? 0)
    return Number.isSafeInteger(count) && count > 0 ? count : 0
  } catch {
    return 0
  }
}

const unreachable: SendFailure = { message: "the collector cannot be reached", isTransient: true }

/** What sends one body of a content type, and gives how many spans were rejected. `read`: an answer of that type; default JSON. */
export const make = (options: CollectorOptions, read = readJson) =>
  Effect.map(HttpClient.HttpClient, (client) => {
    const headers = Object.fromEntries(
      Object.entries(options.headers).map(([name, value]) => [name, Redacted.value(value)])
    )
    const request = HttpClientRequest.post(options.url, { headers })
    return (body: Uint8Array, contentType: string): Effect.Effect<number, SendFailure> => {
      const filled = HttpClientRequest.bodyUint8Array(request, body, contentType)
      const packed = options.compression === "gzip"
        ? HttpClientRequest.compressBody(filled, "gzip")
        : Effect.succeed(filled)
      return packed.pipe(
        Effect.flatMap(client.execute),
        Effect.flatMap((response) =>
          Effect.map(response.arrayBuffer, (body) => ({ response, answer: new Uint8Array(body) }))
        ),
        Effect.mapError(() => unreachable),
        Effect.flatMap(({ answer, response: { headers, status } }) => {
          if (status >= 300) {
            return Effect.fail({ message: `the collector answered ${status}`, isTransient: transient.has(status) })
          }
          const isOfType = headers["content-type"]?.startsWith(contentType) === true
          return Effect.succeed(isOfType ? rejectedIn(read, answer) : 0)
        }),
        Effect.timeoutOrElse({
          duration: options.timeoutMs,
          orElse: () =>
            Effect.fail({
              message: `the collector did not answer within ${options.timeoutMs} ms`,
              isTransient: true
            })
        }),
        // Without this the client makes up a trace for its header.
        Effect.provideService(HttpClient.TracerPropagationEnabled, false),
        Effect.withTracerEnabled(false)
      )
    }
  }).pipe(Effect.provide(FetchHttpClient.layer))
