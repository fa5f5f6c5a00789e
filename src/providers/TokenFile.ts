/**
 * A credential in a file that somebody else renews: read again when the file changes, and at once where the upstream refuses what
 * stood in it. Trap: a file that cannot be read, or holds no credential, changes nothing; the last good one goes on.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { readFile, stat } from "node:fs/promises"
import { CredentialRejected, type GatewayError, gatewayError } from "../domain/GatewayError.ts"
import * as Credential from "../resilience/Credential.ts"
import { monotonicMillisUnsafe } from "../resilience/MonotonicTime.ts"
import { isObject, parse } from "./protocols/OpenAiChatShape.ts"
import type { Endpoint } from "./WireRequest.ts"

export interface TokenFile {
  /** Its one credential: usable again as soon as something else stands in the file. */
  readonly credentials: Credential.Credentials
  /** The endpoint for what stands in the file now; made once for each. Fails while nothing does. */
  readonly endpoint: (
    make: (secret: Redacted.Redacted) => Effect.Effect<Endpoint, GatewayError>
  ) => Effect.Effect<Endpoint, GatewayError>
}

/** No token is as long; a file that is larger is another one. */
const mostBytes = 65_536

export interface TokenFileOptions {
  /** AWS's keys as JSON are a credential, too. Default false: JSON is none, for sent as a token it would tell its secrets. */
  readonly readsAwsKeys?: boolean
  /** How often the file is looked at, in milliseconds. Default 5000. */
  readonly everyMs?: number
}

/** AWS's keys in one line, as its tools print them (`aws configure export-credentials`). */
const awsKeysIn = (text: string): string | undefined => {
  const value = parse(text)
  if (!isObject(value) || typeof value["AccessKeyId"] !== "string" || typeof value["SecretAccessKey"] !== "string") {
    return undefined
  }
  const line = JSON.stringify(value)
  return /^[\x20-\x7e]+$/.test(line) ? line : undefined
}

/** One word that HTTP can carry in a header, or AWS's keys; else undefined. */
const secretIn = (written: string, readsAwsKeys: boolean): string | undefined => {
  const text = written.trim()
  if (text.startsWith("{")) return readsAwsKeys ? awsKeysIn(text) : undefined
  return /^[\x21-\x7e]+$/.test(text) ? text : undefined
}

/** What says that the file is another one, links followed; undefined where there is none that could be read. */
const stampOf = (file: string): Effect.Effect<string | undefined> =>
  Effect.promise(() =>
    stat(file).then(
      ({ ino, mtimeMs, size }) => size > mostBytes ? undefined : `${ino} ${mtimeMs} ${size}`,
      () => undefined
    )
  )

const secretOf = (file: string, readsAwsKeys: boolean): Effect.Effect<string | undefined> =>
  Effect.promise(() => readFile(file, "utf8").then((text) => secretIn(text, readsAwsKeys), () => undefined))

const rejected = (provider: string, why: string): Effect.Effect<never, GatewayError> =>
  Effect.fail(
    gatewayError(new CredentialRejected({ message: `The provider ${provider} cannot be asked: ${why}.` }))
  )

/** The credential of this provider in this file, looked at until the scope closes. */
export const open = Effect.fnUntraced(function*(
  provider: string,
  file: string,
  { everyMs = 5000, readsAwsKeys = false }: TokenFileOptions = {}
): Effect.fn.Return<TokenFile, never, Scope.Scope> {
  let secret: string | undefined
  let stamp: string | undefined
  /** True where something else stands in it. */
  const take = Effect.gen(function*() {
    stamp = yield* stampOf(file)
    const found = stamp === undefined ? undefined : yield* secretOf(file, readsAwsKeys)
    if (found === undefined || found === secret) return false
    secret = found
    return true
  })
  const renew = Effect.flatMap(
    take,
    (isOther) => isOther ? Effect.void : rejected(provider, "its token is refused, and the file holds no other")
  )
  const credentials = Credential.make({ count: 1, refresh: () => renew })
  const look = Effect.gen(function*() {
    if ((yield* stampOf(file)) === stamp || !(yield* take)) return
    yield* Clock.clockWith((clock) => Effect.sync(() => credentials.reset(monotonicMillisUnsafe(clock))))
    yield* Effect.logInfo(`the token of ${provider} was renewed`).pipe(
      Effect.annotateLogs({ "event.name": "breakwater.credential.renewed", "breakwater.provider": provider })
    )
  })
  if (!(yield* take)) {
    yield* Effect.logWarning(`the provider ${provider} waits for its token: there is none in ${file}`)
  }
  yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(everyMs)))
  return {
    credentials,
    endpoint: (make) => {
      let made: { readonly of: string; readonly endpoint: Effect.Effect<Endpoint, GatewayError> } | undefined
      return Effect.suspend(() => {
        if (secret === undefined) return rejected(provider, "its token file holds no token")
        if (made?.of !== secret) made = { of: secret, endpoint: make(Redacted.make(secret)) }
        return made.endpoint
      })
    }
  }
})
