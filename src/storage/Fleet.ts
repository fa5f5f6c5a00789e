/**
 * The processes that serve one address, as one: tell all of them something, ask all of them something. A process alone is a
 * fleet of one; with `--workers` the messages go through the primary (`node:cluster`) and must survive JSON.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import cluster, { type Worker } from "node:cluster"
import * as Estate from "./Estate.ts"
import { consult, type Keeper, makeMemories } from "./FleetKeeping.ts"

/** What is told or asked; `topic` chooses the handler. */
export interface Message {
  readonly topic: string
  readonly body: unknown
  /** What the primary keeps of it for processes that start later; absent = nothing. */
  readonly memos?: ReadonlyArray<Memo>
}

/** One thing to remember. It takes the place of the topic's earlier one with the same key. */
export interface Memo {
  readonly key: string
  /** What a new process's handler is given in the message's place, before it serves; absent = the earlier one is forgotten. */
  readonly body?: unknown
}

/** One process's answer. */
export interface Reply {
  /** 0 = a process alone, or what workers that are gone have left; else the worker's number. */
  readonly worker: number
  readonly body: unknown
}

/** Some process did not acknowledge: it failed, has no such handler, or gave no answer in time. */
export class FleetIncomplete extends Data.TaggedError("FleetIncomplete")<{
  readonly topic: string
  readonly replies: ReadonlyArray<Reply>
  readonly missing: ReadonlyArray<{ readonly worker: number; readonly why: string }>
}> {}

export type Handler = (body: unknown) => Effect.Effect<unknown, { readonly message: string }>

export class Fleet extends Context.Service<Fleet, {
  /** Runs the topic's handler in every process, this one included; returns when all have acknowledged, fails if one did not. */
  readonly broadcast: (message: Message) => Effect.Effect<ReadonlyArray<Reply>, FleetIncomplete>
  /** The answers of those processes that gave one, in the workers' order; never fails. */
  readonly gather: (query: Message) => Effect.Effect<ReadonlyArray<Reply>>
  /**
   * Installs this process's handler of a topic until the scope closes. Returns when the handler has run with everything that
   * is remembered of the topic; a handler that takes memos must not itself ask the fleet.
   */
  readonly handle: (topic: string, handler: Handler) => Effect.Effect<void, never, Scope.Scope>
  /** The last that this process says of a topic that the primary keeps; a process alone leaves nothing. */
  readonly bequeath: (topic: string, body: unknown) => Effect.Effect<void>
  /** Asks the primary, which keeps what all processes share; undefined = this process is alone and keeps it itself. */
  readonly askPrimary: ((query: Message) => Effect.Effect<unknown, { readonly message: string }>) | undefined
}>()("breakwater/storage/Fleet") {}

/** Longest wait for the whole fleet's answer, in milliseconds. A worker that dies is not waited for. */
const answerLimitMs = 5000
/** Longest wait of the primary for one worker's, so that those of the others arrive in time. */
const workerLimitMs = 4000

interface Outcome {
  readonly worker: number
  readonly body?: unknown
  /** Why there is no body. */
  readonly failed?: string
}

/** What travels between a worker and the primary. Numbers are unique per sender. */
type Parcel =
  | { readonly fleet: "ask"; readonly number: number; readonly message: Message }
  | { readonly fleet: "run"; readonly number: number; readonly message: Message }
  | { readonly fleet: "done"; readonly number: number; readonly outcome: Outcome }
  | { readonly fleet: "consult"; readonly number: number; readonly message: Message }
  | { readonly fleet: "recall"; readonly number: number; readonly topic: string }
  | { readonly fleet: "last"; readonly topic: string; readonly body: unknown }
  | { readonly fleet: "recalled"; readonly number: number; readonly messages: ReadonlyArray<Message> }
  | { readonly fleet: "answer"; readonly number: number; readonly outcomes: ReadonlyArray<Outcome> }

const isParcel = (value: unknown): value is Parcel => typeof value === "object" && value !== null && "fleet" in value

const makeHandlers = () => {
  const handlers = new Map<string, Handler>()
  const handle = (topic: string, handler: Handler) =>
    Effect.asVoid(Effect.acquireRelease(
      Effect.sync(() => handlers.set(topic, handler)),
      () => Effect.sync(() => handlers.get(topic) === handler && handlers.delete(topic))
    ))
  const run = (worker: number, message: Message): Effect.Effect<Outcome> => {
    const handler = handlers.get(message.topic)
    if (handler === undefined) return Effect.succeed({ worker, failed: `nobody handles ${message.topic}` })
    return Effect.match(handler(message.body), {
      onFailure: (error): Outcome => ({ worker, failed: error.message }),
      onSuccess: (body): Outcome => ({ worker, body })
    })
  }
  return { handle, run }
}

const isReply = (outcome: Outcome): boolean => outcome.failed === undefined

const fromOutcomes = (ask: (message: Message) => Effect.Effect<ReadonlyArray<Outcome>>) => {
  const replied = (outcomes: ReadonlyArray<Outcome>): ReadonlyArray<Reply> =>
    outcomes.filter(isReply).map(({ body, worker }) => ({ worker, body }))
  return {
    gather: (query: Message) => Effect.map(ask(query), replied),
    broadcast: (message: Message) =>
      Effect.flatMap(ask(message), (outcomes) => {
        const missing = outcomes.flatMap(({ failed, worker }) => failed === undefined ? [] : [{ worker, why: failed }])
        const replies = replied(outcomes)
        return missing.length === 0
          ? Effect.succeed(replies)
          : Effect.fail(new FleetIncomplete({ topic: message.topic, replies, missing }))
      })
  }
}

/** A process alone. */
export const layerSingle: Layer.Layer<Fleet> = Layer.sync(Fleet, () => {
  const { handle, run } = makeHandlers()
  return Fleet.of({
    handle,
    bequeath: () => Effect.void,
    askPrimary: undefined,
    ...fromOutcomes((message) => Effect.map(run(0, message), (outcome) => [outcome]))
  })
})

const send = (parcel: Parcel) => Effect.sync(() => void process.send?.(parcel))

/** A worker under a primary that runs `hub`. */
const layerWorker: Layer.Layer<Fleet> = Layer.effect(
  Fleet,
  Effect.gen(function*() {
    const self = cluster.worker?.id ?? 0
    const { handle, run } = makeHandlers()
    const waiting = new Map<number, Deferred.Deferred<ReadonlyArray<Outcome>>>()
    const inbox = yield* Queue.unbounded<Parcel>()
    const receive = (value: unknown) => {
      if (isParcel(value)) Queue.offerUnsafe(inbox, value)
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("message", receive)),
      () => Effect.sync(() => process.off("message", receive))
    )
    const settle = (number: number, outcomes: ReadonlyArray<Outcome>) => {
      const asked = waiting.get(number)
      return asked === undefined ? Effect.void : Effect.asVoid(Deferred.succeed(asked, outcomes))
    }
    const act = (parcel: Parcel) => {
      if (parcel.fleet === "run") {
        return Effect.flatMap(
          run(self, parcel.message),
          (outcome) => send({ fleet: "done", number: parcel.number, outcome })
        )
      }
      return parcel.fleet === "answer" ? settle(parcel.number, parcel.outcomes) : Effect.void
    }
    // What is remembered runs to its end before anything that was said after it.
    const take = (parcel: Parcel) =>
      parcel.fleet === "recalled"
        ? Effect.andThen(
          Effect.forEach(parcel.messages, (message) => Effect.exit(run(self, message))),
          settle(parcel.number, [])
        )
        : Effect.forkChild(act(parcel))
    yield* Queue.take(inbox).pipe(
      Effect.flatMap((parcel): Effect.Effect<unknown> => take(parcel)),
      Effect.forever,
      Effect.forkScoped
    )
    let last = 0
    const request = Effect.fnUntraced(function*(parcelOf: (number: number) => Parcel) {
      const number = ++last
      const answer = yield* Deferred.make<ReadonlyArray<Outcome>>()
      waiting.set(number, answer)
      yield* send(parcelOf(number))
      return yield* Deferred.await(answer).pipe(
        Effect.timeoutOrElse({
          duration: answerLimitMs,
          orElse: () =>
            Effect.succeed<ReadonlyArray<Outcome>>([{ worker: self, failed: "the fleet did not answer in time" }])
        }),
        Effect.ensuring(Effect.sync(() => waiting.delete(number)))
      )
    })
    return Fleet.of({
      bequeath: (topic, body) => send({ fleet: "last", topic, body }),
      askPrimary: (message) =>
        Effect.flatMap(
          request((number) => ({ fleet: "consult", number, message })),
          ([outcome]) =>
            outcome === undefined || outcome.failed !== undefined
              ? Effect.fail({ message: outcome?.failed ?? "the primary said nothing" })
              : Effect.succeed(outcome.body)
        ),
      handle: (topic, handler) =>
        Effect.andThen(
          handle(topic, handler),
          Effect.asVoid(request((number) => ({ fleet: "recall", number, topic })))
        ),
      ...fromOutcomes((message) => request((number) => ({ fleet: "ask", number, message })))
    })
  })
)

interface Errand {
  readonly asker: Worker
  readonly number: number
  readonly topic: string
  readonly left: Set<number>
  outcomes: Array<Outcome>
  /** Ends the wait for those who are left. */
  patience?: Fiber.Fiber<void>
}

/** The workers that may be asked. */
interface Members {
  readonly serving: () => Iterable<Worker>
  readonly starting: () => Iterable<Worker>
  /** Those that drain: they are asked for what is kept. Default none. */
  readonly leaving?: () => Iterable<Worker>
}

const listen = (
  members: Members,
  estate: Estate.Estate,
  keepers: ReadonlyArray<Keeper>,
  fork: (wait: Effect.Effect<void>) => Fiber.Fiber<void>
): Effect.Effect<void, never, Scope.Scope> => {
  const memories = makeMemories()
  const errands = new Map<number, Errand>()
  let last = 0
  const forget = (number: number, errand: Errand) => {
    errands.delete(number)
    errand.patience?.interruptUnsafe()
  }
  const settle = (number: number, errand: Errand) => {
    if (errand.left.size > 0) return
    forget(number, errand)
    const inherited = estate.of(errand.topic)
    const outcomes = errand.outcomes.toSorted((left, right) => left.worker - right.worker)
    if (inherited !== undefined) outcomes.push({ worker: 0, body: inherited })
    if (errand.asker.isConnected()) errand.asker.send({ fleet: "answer", number: errand.number, outcomes })
  }
  const giveUp = (number: number, errand: Errand) =>
    Effect.sync(() => {
      for (const worker of errand.left) {
        const body = estate.lastOf(errand.topic, worker)
        errand.outcomes.push(body === undefined ? { worker, failed: "no answer in time" } : { worker, body })
      }
      errand.left.clear()
      settle(number, errand)
    })
  const onMessage = (worker: Worker, parcel: unknown) => {
    if (!isParcel(parcel)) return
    if (parcel.fleet === "consult") {
      const { number } = parcel
      const answered = Effect.map(consult(keepers, worker.id, parcel.message), (outcome) => {
        if (worker.isConnected()) worker.send({ fleet: "answer", number, outcomes: [outcome] })
      })
      fork(answered)
    } else if (parcel.fleet === "ask") {
      const { body, memos, topic } = parcel.message
      memories.keep(parcel.message)
      const starting = memos === undefined
        ? []
        : Array.from(members.starting()).filter((one) => memories.isTold(one, topic))
      // One that is dead may be connected for a moment more, and its exit has been heard already.
      const leaving = estate.isKept(topic) ? members.leaving?.() ?? [] : []
      const asked = Array.from(new Set([...members.serving(), ...starting, ...leaving])).filter((member) =>
        member.isConnected() && !member.isDead()
      )
      const number = ++last
      const errand: Errand = {
        asker: worker,
        number: parcel.number,
        topic,
        left: new Set(asked.map((one) => one.id)),
        outcomes: []
      }
      errands.set(number, errand)
      for (const member of asked) member.send({ fleet: "run", number, message: { topic, body } })
      if (asked.length > 0) errand.patience = fork(Effect.delay(giveUp(number, errand), workerLimitMs))
      settle(number, errand)
    } else if (parcel.fleet === "recall") {
      const messages = memories.tell(worker, parcel.topic)
      if (worker.isConnected()) worker.send({ fleet: "recalled", number: parcel.number, messages })
    } else if (parcel.fleet === "done") {
      const errand = errands.get(parcel.number)
      if (errand?.left.delete(worker.id) !== true) return
      if (parcel.outcome.body !== undefined) estate.note(errand.topic, worker.id, parcel.outcome.body)
      // One that has said its last does not answer any more.
      const body = parcel.outcome.body ?? estate.lastOf(errand.topic, worker.id)
      errand.outcomes.push(body === undefined ? parcel.outcome : { worker: worker.id, body })
      settle(parcel.number, errand)
    } else if (parcel.fleet === "last") {
      estate.note(parcel.topic, worker.id, parcel.body)
    }
  }
  const onExit = (worker: Worker) => {
    estate.inherit(worker.id)
    for (const keeper of keepers) fork(keeper.gone(worker.id))
    for (const [number, errand] of errands) {
      // What it has said is part of what is left of it.
      if (estate.isKept(errand.topic)) {
        errand.outcomes = errand.outcomes.filter((outcome) => outcome.worker !== worker.id)
      }
      if (errand.asker === worker) forget(number, errand)
      else if (errand.left.delete(worker.id)) settle(number, errand)
    }
  }
  return Effect.asVoid(Effect.acquireRelease(
    Effect.sync(() => cluster.on("message", onMessage).on("exit", onExit)),
    () =>
      Effect.sync(() => {
        cluster.off("message", onMessage).off("exit", onExit)
        for (const [number, errand] of errands) forget(number, errand)
      })
  ))
}

/**
 * The primary's part: passes each question to every worker and the collected answers back, and remembers memos. Asked are
 * the workers that serve, and with memos those that are starting and have been told what was remembered before; one that dies
 * while it is asked is left out, and one that is silent has failed. Of the topics in `keepers` those that are gone are counted with
 * what they last said. Runs until the scope closes.
 */
export const hub = (
  members: Members,
  estates: Estate.Keepers = {},
  keepers: ReadonlyArray<Keeper> = []
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(
    Effect.context(),
    (context) => listen(members, Estate.make(estates), keepers, Effect.runForkWith(context))
  )

/** A worker's part under a primary, else a process alone. */
export const layer: Layer.Layer<Fleet> = Layer.suspend(() => cluster.isWorker ? layerWorker : layerSingle)
