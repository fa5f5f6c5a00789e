/** `breakwater explain`: the planner over the configuration, so that a route can be read before a request takes it. Sends nothing. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as EffectLogger from "effect/Logger"
import * as Random from "effect/Random"
import { gateway } from "../config/Layers.ts"
import { load, type Loaded, unreadable } from "../config/Source.ts"
import type { Reason } from "../domain/GatewayError.ts"
import * as Plan from "../gateway/Plan.ts"
import { checkChat, type CheckedRequest } from "../server/ChatBody.ts"
import { fail, type Server, statesOf } from "./Breakers.ts"
import { refusal } from "./Check.ts"
import { ExitWith } from "./Exit.ts"
import { type Explanation, render } from "./ExplainText.ts"

/** What the command line said; absent = not said. */
export interface ExplainInput {
  readonly config: string | undefined
  readonly model: string | undefined
  readonly file: string | undefined
  readonly seed: string | undefined
  readonly json: boolean
  /** Whose targets are judged; absent = idle ones of the file. */
  readonly server: Server | undefined
}

const problemOf = (reason: Reason) => ({
  message: reason.message,
  param: reason.param ?? null,
  code: reason.code ?? null
})

const readRequest = Effect.fnUntraced(function*(file: string, loaded: Loaded) {
  const files = yield* FileSystem.FileSystem
  const text = yield* Effect.catch(
    files.readFileString(file),
    (error) => fail(`${file} cannot be read: ${unreadable(error)}`)
  )
  const { imageHosts, limits, rules } = loaded.settings.server
  const checked: CheckedRequest | Reason = checkChat(text, limits, imageHosts, rules)
  return "_tag" in checked
    ? {
      checked: undefined,
      shown: { file, problem: problemOf(checked), model: undefined, stream: false, messages: 0 }
    }
    : {
      checked,
      shown: {
        file,
        problem: undefined,
        model: checked.request.model,
        stream: checked.request.stream === true,
        messages: checked.request.messages.length
      }
    }
})

interface Asked {
  readonly model: string
  /** The request that is planned; absent = any for the model. */
  readonly request: Plan.PlannedRequest | undefined
  readonly seed: string
  readonly server: Server | undefined
}

/** The plan over the file's own flow; what its providers complain of is told as notes. */
const planOf = (loaded: Loaded, { model, request, seed, server }: Asked) =>
  Effect.gen(function*() {
    const notes: Array<string> = []
    const collect = EffectLogger.make<unknown, void>(({ message }) => {
      notes.push(...(Array.isArray(message) ? message : [message]).map(String))
    })
    const plan = Effect.gen(function*() {
      const states = server === undefined ? undefined : yield* statesOf(server, loaded.source)
      return yield* Effect.result(Random.withSeed(Plan.make(model, states, request), seed))
    })
    const result = yield* Effect.provide(
      plan,
      gateway(loaded.settings).pipe(Layer.provide(EffectLogger.layer([collect])))
    )
    return result._tag === "Success"
      ? { plan: result.success, problem: undefined, notes }
      : { plan: undefined, problem: problemOf(result.failure.reason), notes }
  })

/** Writes the explanation to stdout; exits 1 when the request would be refused, the file is wrong, or the server is not there. */
export const explain = Effect.fnUntraced(
  function*(input: ExplainInput) {
    const loaded = yield* load({ config: input.config, unused: ["keys", "adminKey"] }, Effect.succeed(false))
    const read = input.file === undefined ? undefined : yield* readRequest(input.file, loaded)
    const request = read?.shown
    const model = input.model ?? request?.model
    if (model === undefined && request?.problem === undefined) {
      return yield* fail("explain what? Give --model NAME, or --file request.json that names one")
    }
    const seed = input.seed ?? String((yield* Random.nextInt) >>> 0)
    const asked = { request: read?.checked, seed, server: input.server }
    const planned = model === undefined ? undefined : yield* planOf(loaded, { model, ...asked })
    const explanation: Explanation = {
      source: loaded.source,
      states: input.server?.url ?? null,
      request: request ?? null,
      plan: planned?.plan ?? null,
      problem: planned?.problem ?? null,
      seed: planned?.plan?.strategy === "weighted" ? seed : null,
      retry: loaded.settings.defaults.retry,
      notes: planned?.notes ?? []
    }
    yield* Console.log(input.json ? JSON.stringify(explanation, null, 2) : render(explanation))
    if (request?.problem !== undefined || planned?.plan?.wouldAsk !== true) {
      return yield* Effect.fail(new ExitWith({ code: 1 }))
    }
  },
  Effect.catchTag("ConfigurationRefused", (error) => fail(refusal(error)))
)
