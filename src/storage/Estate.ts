/**
 * What workers that are gone had said of some topics, kept by the primary so that sums over the fleet do not fall when one is
 * replaced. A worker that leaves says its last; of one that is killed it is what it was last asked for.
 */

/** By topic, what makes one body of several. */
export type Keepers = Readonly<Record<string, (bodies: ReadonlyArray<unknown>) => unknown>>

export interface Estate {
  readonly isKept: (topic: string) => boolean
  /** What a worker says now. */
  readonly note: (topic: string, worker: number, body: unknown) => void
  /** What a living worker last said. */
  readonly lastOf: (topic: string, worker: number) => unknown
  /** It is gone; what it last said is added to what others have left. */
  readonly inherit: (worker: number) => void
  /** What all that are gone have left; undefined = nothing. */
  readonly of: (topic: string) => unknown
}

export const make = (keepers: Keepers): Estate => {
  const said = new Map<string, Map<number, unknown>>()
  const left = new Map<string, unknown>()
  return {
    isKept: (topic) => Object.hasOwn(keepers, topic),
    note: (topic, worker, body) => {
      if (!Object.hasOwn(keepers, topic)) return
      const known = said.get(topic) ?? new Map<number, unknown>()
      said.set(topic, known.set(worker, body))
    },
    lastOf: (topic, worker) => said.get(topic)?.get(worker),
    inherit: (worker) => {
      for (const [topic, known] of said) {
        const body = known.get(worker)
        if (body === undefined) continue
        known.delete(worker)
        const before = left.get(topic)
        left.set(topic, keepers[topic]?.(before === undefined ? [body] : [before, body]))
      }
    },
    of: (topic) => left.get(topic)
  }
}
