/** A running server's operator routes, asked from the command line: the key, the refusals, the limits, and tables of what it says. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Monitoring } from "../api/Health.ts"
import { ExitWith } from "./Exit.ts"

/** Which server, and the key for its admin routes (not needed on loopback unless the server has one). */
export interface Server {
  readonly url: string
  readonly adminKey: Redacted.Redacted | undefined
}

/** Longest wait for the server, in milliseconds. */
const limitMs = 10_000

const Refused = Schema.Struct({ error: Schema.Struct({ message: Schema.String }) })

/** Columns of the width of their widest cell. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()).join("\n")
}

/** Says it on stderr and ends with exit code 1. */
export const fail = (line: string) => Effect.andThen(Console.error(line), Effect.fail(new ExitWith({ code: 1 })))

const refusal = (response: HttpClientResponse.HttpClientResponse) =>
  Effect.map(
    Effect.option(Effect.flatMap(response.json, Schema.decodeUnknownEffect(Refused))),
    (body) => body._tag === "Some" ? body.value.error.message : "no reason given"
  )

/** One answer of the server, or one line on stderr and exit code 1. */
export const ask = <A>(server: Server, request: HttpClientRequest.HttpClientRequest, schema: Schema.Decoder<A>) =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const { adminKey } = server
    const response = yield* client.execute(
      adminKey === undefined ? request : HttpClientRequest.bearerToken(request, adminKey)
    )
    if (response.status !== 200) {
      return yield* fail(`${server.url} answered ${response.status}: ${yield* refusal(response)}`)
    }
    return yield* Effect.flatMap(response.json, Schema.decodeUnknownEffect(schema))
  }).pipe(
    Effect.timeout(limitMs),
    Effect.catchTags({
      HttpClientError: () => fail(`${server.url} does not answer; is the server running, and --url right?`),
      TimeoutError: () => fail(`${server.url} gave no answer within ${limitMs / 1000} s`),
      SchemaError: () => fail(`${server.url} answered with something that is not this server's`)
    }),
    Effect.provide(NodeHttpClient.layerNodeHttp)
  )

/** A path of the health routes, such as `monitoring`. */
export const path = (server: Server, tail: string): string => `${server.url.replace(/\/+$/, "")}/api/v1/health/${tail}`

const Targets = Schema.Struct({ targets: Monitoring.fields.targets })

/** The targets of the server as they are now. */
export const targets = (server: Server) =>
  Effect.map(ask(server, HttpClientRequest.get(path(server, "monitoring")), Targets), (seen) => seen.targets)
