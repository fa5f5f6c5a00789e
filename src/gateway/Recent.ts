/**
 * Finished requests that can still be shown and found: the last ones, and many more of those with something to tell. Few are kept
 * of clean successes, because what outlives a minor collection costs more to keep than to make.
 */
import { type Decision, isEventful } from "./Decision.ts"

/** How many of all requests. */
const ofAll = 100
/** How many of those that failed, were tried again or passed a target over. */
const ofEventful = 400

interface Ring {
  readonly kept: Array<Decision>
  readonly size: number
  next: number
}

const put = (ring: Ring, decision: Decision): void => {
  ring.kept[ring.next] = decision
  ring.next = (ring.next + 1) % ring.size
}

/** Newest first. */
const newest = ({ kept, next, size }: Ring): Array<Decision> => {
  const out: Array<Decision> = []
  for (let back = 1; back <= kept.length; back++) {
    const decision = kept[(next - back + size) % size]
    if (decision !== undefined) out.push(decision)
  }
  return out
}

/** What is no more than in the way once the line is written and the spans have ended: the request's words, and its spans. */
const lighten = (decision: Decision): void => {
  // Not `delete`, which makes every later look at the record slow.
  if (decision.captured !== undefined) decision.captured = undefined
  if (decision.trace !== undefined) decision.trace = undefined
}

export interface Recent {
  /** Takes a request that is over; its content and its spans are let go. */
  readonly add: (decision: Decision) => void
  /** The last so many, newest first. */
  readonly last: (count: number) => ReadonlyArray<Decision>
  /** The newest with this request id. */
  readonly find: (requestId: string) => Decision | undefined
}

export const make = (): Recent => {
  const all: Ring = { kept: [], size: ofAll, next: 0 }
  const eventful: Ring = { kept: [], size: ofEventful, next: 0 }
  return {
    add: (decision) => {
      lighten(decision)
      put(all, decision)
      if (decision.error !== undefined || isEventful(decision)) put(eventful, decision)
    },
    last: (count) => newest(all).slice(0, count),
    find: (requestId) => {
      const isMeant = (decision: Decision) => decision.requestId === requestId
      return newest(all).find(isMeant) ?? newest(eventful).find(isMeant)
    }
  }
}
