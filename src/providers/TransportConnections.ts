/**
 * The connections to each origin, kept for reuse. Not undici's `Agent`, which drops the whole pool of an origin with its last
 * connection and makes a new one for the next request: where an upstream resets, that is the greater part of what a failure costs.
 */
import type { Dispatcher } from "undici"
import { Pool } from "undici"

export interface Connections {
  /** Sends on a free connection to the origin, else on a new one; there is no limit to their number here. */
  readonly dispatch: (
    options: Dispatcher.DispatchOptions & { readonly origin: string },
    handler: Dispatcher.DispatchHandler
  ) => boolean
  /** Ends all of them, requests under way included. */
  readonly destroy: () => Promise<unknown>
}

/** A pool keeps the client of each connection that it ever had at once; more than so many are not worth it when all have ended. */
const fewClients = 8

export const make = (options: Pool.Options): Connections => {
  const pools = new Map<string, Pool>()
  const open = (origin: string): Pool => {
    const pool = new Pool(origin, options)
    let connected = 0
    let most = 0
    pool.on("connect", () => {
      connected += 1
      most = Math.max(most, connected)
    })
    pool.on("disconnect", () => {
      connected -= 1
      if (connected > 0 || most <= fewClients || pools.get(origin) !== pool) return
      const { pending, running } = pool.stats
      if (pending > 0 || running > 0) return
      pools.delete(origin)
      void pool.close()
    })
    pools.set(origin, pool)
    return pool
  }
  return {
    dispatch: (request, handler) => (pools.get(request.origin) ?? open(request.origin)).dispatch(request, handler),
    destroy: () => {
      const all = [...pools.values()]
      pools.clear()
      return Promise.all(all.map((pool) => pool.destroy()))
    }
  }
}
