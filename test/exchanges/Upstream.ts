/** An upstream without a socket: the Transport's own reading of a body, fed with bytes that end wherever a test wants. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Transport, type TransportResponse } from "../../src/providers/Transport.ts"
import { Exchange } from "../../src/providers/TransportExchange.ts"

/** What the next request is answered with. */
export interface Reply {
  readonly contentType: string
  /** Each comes in a read of its own. */
  readonly pieces: ReadonlyArray<Uint8Array>
  /** `end`: the body ends as if it were whole. `reset`: the connection breaks. `open`: nothing more comes. */
  readonly ending: "end" | "reset" | "open"
}

const reset = Object.assign(new Error("reset"), { code: "ECONNRESET" })
const deaf = { abort: () => {}, pause: () => {}, resume: () => {} }

const play = async (exchange: Exchange, { contentType, ending, pieces }: Reply): Promise<void> => {
  exchange.onRequestStart(deaf)
  exchange.onResponseStarted()
  exchange.onResponseStart(deaf, 200, { "content-type": contentType })
  for (const piece of pieces) {
    await undefined
    exchange.onResponseData(deaf, piece)
  }
  if (ending === "end") exchange.onResponseEnd()
  if (ending === "reset") exchange.onResponseError(deaf, reset)
}

const responseOf = (exchange: Exchange): TransportResponse => ({
  stop: (error) => exchange.stop(error),
  look: () => exchange.look(),
  status: exchange.status,
  headers: exchange.headers,
  text: exchange.text,
  decoded: (decoder) => exchange.decoded(decoder),
  markComplete: () => {
    exchange.complete = true
  }
})

/** Answers every request with what `reply` says at that moment; `open` counts the bodies that nobody has closed or read out. */
export const makeUpstream = (reply: () => Reply) => {
  const state = { open: 0 }
  const maxBytes = 32 * 1024 ** 2
  const requestIn: Transport["Service"]["requestIn"] = (_, scope) =>
    Effect.suspend(() => {
      let onHead = (): void => {}
      const exchange: Exchange = new Exchange({ maxBytes, onHead: () => onHead(), retry: () => {} })
      state.open++
      const close = Effect.sync(() => {
        state.open--
        exchange.close()
      })
      const head = Effect.callback<TransportResponse>((resume) => {
        onHead = () => resume(Effect.succeed(responseOf(exchange)))
        void play(exchange, reply())
      })
      return Effect.andThen(Scope.addFinalizer(scope, close), head)
    })
  const layer = Layer.succeed(Transport, {
    requestIn,
    request: (request) => Effect.flatMap(Effect.scope, (scope) => requestIn(request, scope)),
    whole: () =>
      Effect.callback((resume) => {
        const exchange: Exchange = new Exchange({
          maxBytes,
          onHead: () =>
            exchange.onWhole((read) =>
              resume(
                typeof read === "string"
                  ? Effect.succeed({ status: exchange.status, headers: exchange.headers, text: read })
                  : Effect.fail(read)
              )
            ),
          retry: () => {}
        })
        void play(exchange, reply())
      })
  })
  return { layer, state }
}
