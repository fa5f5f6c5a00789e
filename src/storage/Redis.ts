/**
 * One Redis that several processes share. It may be away when we start and at any time later: while it is, every command fails
 * at once and nothing waits for it; it is looked for in the background. Trap: a command that was given up may have been carried
 * out, so scripts that are asked again must bear it.
 */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { type RedisState, RedisStatus } from "./RedisStatus.ts"

export interface RedisSettings {
  /** `redis://` or `rediss://` (TLS), with user, password and database if need be. */
  readonly url: Redacted.Redacted
  /** Longest wait for one command, in milliseconds. Default 250. */
  readonly timeoutMs: number
  /** What all its keys begin with. Default breakwater. */
  readonly prefix: string
}

/** It did not answer, or refused. */
export interface RedisFailed {
  readonly _tag: "RedisFailed"
  readonly message: string
  /** It was asked, so it may have done what it was asked. */
  readonly isSent: boolean
  /** It is away, which the log was told; else it is there and refuses this alone. */
  readonly isAway: boolean
}

/** A script whose keys are given with each run, and one text beside them. */
export type Script = Redis.Script<
  { readonly params: [keys: ReadonlyArray<string>, text: string]; readonly result: string }
>

/** A script of Lua that is given its keys and one text, and answers with text. */
export const script = (lua: string): Script =>
  Redis.script((keys: ReadonlyArray<string>, text: string) => [...keys, text], {
    lua,
    numberOfKeys: (keys) => keys.length
  }).withReturnType<string>()

export class SharedRedis extends Context.Service<SharedRedis, {
  /** Runs it in one step that nothing else comes between. Never waits longer than the limit of a command. */
  readonly run: (script: Script, keys: ReadonlyArray<string>, text: string) => Effect.Effect<string, RedisFailed>
  readonly state: () => RedisState
  /** The name of a key. */
  readonly keyOf: (name: string) => string
}>()("breakwater/storage/Redis/SharedRedis") {}

/** How often it is asked whether it is there and takes what is written, in milliseconds. */
const probeMs = 500
/** One that is silent for so long is left, and another connection made, in milliseconds; also the longest wait for one. */
const silentMs = 3000
const firstPauseMs = 100
const longestPauseMs = 1000
/** Longest wait of a start for it, in milliseconds. */
const startMs = 2000

const isRedisError = Schema.is(Redis.RedisError)

/** What it says of itself, without what a connection string may hold. */
const wordsOf = (url: string) => {
  const { password } = new URL(url)
  const secrets = [url, password, decodeURIComponent(password)].filter((secret) => secret !== "")
  const told = (cause: unknown): string => {
    if (isRedisError(cause)) return told(cause.cause)
    if (cause instanceof Error && cause.message !== "") return cause.message
    return typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : "it cannot be reached"
  }
  return (cause: unknown): string => secrets.reduce((text, secret) => text.replaceAll(secret, "***"), told(cause))
}

/** A script of ours that did not run to its end, which says nothing about the next. */
const ofScript = /^(?:ERR|WRONGTYPE)\b/

/** What every command of ours needs: a script that may write. */
const probing = script("redis.call('SET', KEYS[1], '1', 'PX', 10000) return ''")

const annotated = (event: string) => Effect.annotateLogs({ "event.name": `breakwater.redis.${event}` })

/** Whether it is there, by all that is known here, and who is to be told. */
const makeWatch = (first: Deferred.Deferred<void>) => {
  let current: Redis.Redis["Service"] | undefined
  let why: string | undefined
  let isFirst = true
  let sinceMs = 0
  let failures = 0
  let losses = 0
  const nowMs = Effect.clockWith((clock) => Effect.succeed(Number(clock.monotonicTimeNanosUnsafe()) / 1e6))
  return {
    current: () => current,
    state: (): RedisState => ({ isAway: current === undefined, why, failures, losses }),
    failed: () => void failures++,
    /** It does not answer: whoever asks from now on hears so at once. */
    lost: (reason: string): Effect.Effect<void> =>
      Effect.flatMap(nowMs, (now) => {
        const isNew = current !== undefined || isFirst
        current = undefined
        why = reason
        isFirst = false
        if (!isNew) return Effect.void
        losses++
        sinceMs = now
        const told = Effect.logWarning(`redis is away: ${reason}`).pipe(annotated("away"))
        return Effect.andThen(told, Deferred.succeed(first, undefined))
      }),
    found: (redis: Redis.Redis["Service"]): Effect.Effect<unknown> =>
      Effect.flatMap(nowMs, (now) => {
        const [isBack, awayMs] = [current === undefined && !isFirst, Math.round(now - sinceMs)]
        current = redis
        why = undefined
        isFirst = false
        return isBack
          ? Effect.logInfo(`redis is back after ${awayMs / 1000} s`).pipe(annotated("back"))
          : Deferred.succeed(first, undefined)
      })
  }
}

type Watch = ReturnType<typeof makeWatch>

/** In how many parts a wait is cut. */
const parts = 5

/**
 * Gives up after so long. The wait is cut into parts, of which a turn of this process takes one at most, however long it was:
 * an answer that waits for us to read it is not late.
 */
const within = (limitMs: number) => {
  const wait = Effect.repeat(Effect.sleep(limitMs / parts), { times: parts - 1 }).pipe(
    Effect.andThen(Effect.yieldNow),
    Effect.andThen(Effect.fail(new Redis.RedisError({ cause: new Error(`no answer within ${limitMs} ms`) })))
  )
  return <A>(effect: Effect.Effect<A, Redis.RedisError>) => Effect.raceFirst(effect, wait)
}

/** One connection from its beginning to its end. Trap: nothing may wait for its scope to close, which waits for its answers. */
const session = Effect.fnUntraced(function*(
  settings: RedisSettings,
  watch: Watch,
  wake: Queue.Queue<void>,
  words: (cause: unknown) => string,
  scope: Scope.Scope
) {
  const ended = yield* Deferred.make<void>()
  const connecting = NodeRedis.layer({
    url: Redacted.value(settings.url),
    name: "breakwater",
    disableOfflineQueue: true,
    // Another connection is made by whoever runs this.
    socket: { connectTimeout: startMs, socketTimeout: silentMs, reconnectStrategy: false }
  })
  const context = yield* Layer.buildWithScope(connecting, scope).pipe(
    // What it logs by itself is what is told here, again and again.
    Effect.provideService(References.MinimumLogLevel, "None"),
    within(silentMs)
  )
  const { client } = Context.get(context, NodeRedis.NodeRedis)
  const redis = Context.get(context, Redis.Redis)
  yield* Scope.addFinalizer(scope, Effect.sync(() => client.destroy()))
  client.on("error", () => void Deferred.doneUnsafe(ended, Effect.void))
  const probe = within(settings.timeoutMs)(redis.eval(probing)([keyOf(settings.prefix, "probe")], ""))
  for (let failures = 0; failures * (probeMs + settings.timeoutMs) < silentMs;) {
    const seen = yield* Effect.exit(probe)
    failures = Exit.isSuccess(seen) ? 0 : failures + 1
    yield* Exit.isSuccess(seen) ? watch.found(redis) : watch.lost(words(Cause.squash(seen.cause)))
    if (Deferred.isDoneUnsafe(ended)) return
    yield* Effect.raceFirst(Deferred.await(ended), Effect.timeoutOption(Queue.take(wake), probeMs))
  }
})

/** Connects again and again, with pauses that grow and are not those of every other process. */
const keepConnected = Effect.fnUntraced(function*(
  settings: RedisSettings,
  watch: Watch,
  wake: Queue.Queue<void>,
  words: (cause: unknown) => string
) {
  let pauseMs = firstPauseMs
  while (true) {
    const scope = yield* Scope.make()
    yield* session(settings, watch, wake, words, scope).pipe(
      Effect.matchCauseEffect({
        onFailure: (cause) => watch.lost(words(Cause.squash(cause))),
        onSuccess: () => {
          pauseMs = firstPauseMs
          return watch.lost("the connection was lost")
        }
      }),
      Effect.ensuring(Effect.forkDetach(Scope.close(scope, Exit.void)))
    )
    yield* Effect.sleep(pauseMs * (0.5 + (yield* Random.next)))
    pauseMs = Math.min(longestPauseMs, pauseMs * 2)
  }
})

/** The braces put every key into one slot, which scripts over several keys need where a proxy stands before a cluster. */
const keyOf = (prefix: string, name: string): string => `{${prefix}}:${name}`

const make = Effect.fnUntraced(function*(settings: RedisSettings) {
  const words = wordsOf(Redacted.value(settings.url))
  const first = yield* Deferred.make<void>()
  const wake = yield* Queue.sliding<void>(1)
  const watch = makeWatch(first)
  const failed = (redis: Redis.Redis["Service"]) => (error: Redis.RedisError): Effect.Effect<never, RedisFailed> => {
    const message = words(error)
    const isAway = !ofScript.test(message)
    watch.failed()
    const fail = Effect.fail<RedisFailed>({ _tag: "RedisFailed", message: `redis: ${message}`, isSent: true, isAway })
    // Another connection may have taken the place of this one.
    if (!isAway || watch.current() !== redis) return fail
    Queue.offerUnsafe(wake, undefined)
    return Effect.andThen(watch.lost(message), fail)
  }
  const inTime = within(settings.timeoutMs)
  yield* Effect.forkScoped(keepConnected(settings, watch, wake, words))
  yield* Effect.timeoutOption(Deferred.await(first), startMs)
  const shared = SharedRedis.of({
    run: (script, keys, text) =>
      Effect.suspend(() => {
        const redis = watch.current()
        return redis === undefined
          ? Effect.fail<RedisFailed>({ _tag: "RedisFailed", message: "redis is away", isSent: false, isAway: true })
          : Effect.catch(inTime(redis.eval(script)(keys, text)), failed(redis))
      }),
    state: watch.state,
    keyOf: (name) => keyOf(settings.prefix, name)
  })
  return Context.make(SharedRedis, shared).pipe(Context.add(RedisStatus, watch.state))
})

/** The Redis of these settings, connected or looked for until the scope closes. Never fails. */
export const layer = (settings: RedisSettings): Layer.Layer<SharedRedis> => Layer.effectContext(make(settings))
