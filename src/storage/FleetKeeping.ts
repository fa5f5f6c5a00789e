/** What the primary of a fleet keeps: answers for all its workers, and what is remembered for those that start later. */
import * as Effect from "effect/Effect"
import type { Message } from "./Fleet.ts"

/** What the primary keeps for all its workers. */
export interface Keeper {
  readonly topic: string
  /** Answers a worker, by its number. */
  readonly answer: (body: unknown, worker: number) => Effect.Effect<unknown, { readonly message: string }>
  /** A worker has ended, whatever it still held. */
  readonly gone: (worker: number) => Effect.Effect<void>
}

/** An answer of the primary's own. */
interface Kept {
  readonly worker: 0
  readonly body?: unknown
  readonly failed?: string
}

/** Asks the keeper of a topic in a worker's name. */
export const consult = (
  keepers: ReadonlyArray<Keeper>,
  worker: number,
  { body, topic }: Message
): Effect.Effect<Kept> => {
  const keeper = keepers.find((one) => one.topic === topic)
  if (keeper === undefined) return Effect.succeed({ worker: 0, failed: `nobody keeps ${topic}` })
  return Effect.match(keeper.answer(body, worker), {
    onFailure: ({ message }): Kept => ({ worker: 0, failed: message }),
    onSuccess: (answer): Kept => ({ worker: 0, body: answer })
  })
}

/** What is remembered of each topic, and which workers have been told. */
export const makeMemories = () => {
  const topics = new Map<string, Map<string, unknown>>()
  const told = new WeakMap<object, Set<string>>()
  return {
    keep: ({ memos = [], topic }: Message): void => {
      const memory = topics.get(topic) ?? new Map<string, unknown>()
      topics.set(topic, memory)
      for (const { body, key } of memos) {
        memory.delete(key)
        if (body !== undefined) memory.set(key, body)
      }
    },
    isTold: (worker: object, topic: string): boolean => told.get(worker)?.has(topic) === true,
    tell: (worker: object, topic: string): ReadonlyArray<Message> => {
      told.set(worker, (told.get(worker) ?? new Set<string>()).add(topic))
      return Array.from(topics.get(topic)?.values() ?? [], (body) => ({ topic, body }))
    }
  }
}
