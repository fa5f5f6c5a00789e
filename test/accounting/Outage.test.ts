import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Ledger from "../../src/accounting/Ledger.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import * as Logger from "../../src/observability/Logger.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Simulated from "../../src/providers/Simulated.ts"
import * as Server from "../../src/server/Server.ts"
import { defaultServerSettings } from "../../src/server/ServerSettings.ts"
import * as Fleet from "../../src/storage/Fleet.ts"
import { ask, hello, post } from "../server/Client.ts"
import { isMissing, make, type PostgresServer } from "../storage/PostgresServer.ts"

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

/** The door over a simulated provider with a ledger, until the scope closes. */
const serve = Effect.fnUntraced(function*(settings: Partial<Ledger.LedgerSettings>, lines: Array<string>) {
  const logger = Logger.layerLines({ format: "json", level: "info" }, (line) => lines.push(line))
  const ledger = yield* Layer.build(
    Ledger.layer(settings).pipe(Layer.provide(Fleet.layerSingle), Layer.provide(logger))
  )
  const server = HttpRouter.toWebHandler(
    Server.layer(defaultServerSettings).pipe(
      Layer.provide(Gateway.layer()),
      Layer.provide(Providers.layer([Simulated.make("simulated")])),
      Layer.provide(HttpServer.layerServices),
      Layer.provide(Layer.succeedContext(ledger)),
      Layer.provide(logger)
    ),
    { disableLogger: true }
  )
  yield* Effect.addFinalizer(() => Effect.promise(server.dispose))
  return { server, status: Context.get(ledger, Ledger.LedgerStatus).read }
})

describe.skipIf(isMissing())(
  "a Postgres that goes away under load (skipped where Debian's postgresql is absent)",
  () => {
    let postgres: PostgresServer
    beforeAll(async () => {
      postgres = await make()
      await postgres.start()
    }, 60_000)
    afterAll(() => postgres.dispose())

    it.live(
      "loses nothing and disturbs no request, whether it has crashed or says nothing any more",
      () =>
        Effect.gen(function*() {
          const lines: Array<string> = []
          const { server, status } = yield* serve({ sql: Redacted.make(postgres.url), writeLimitMs: 300 }, lines)
          const statuses: Array<number> = []
          const load = async (count: number) => {
            const caller = async () => {
              for (let at = 0; at < count / 8; at++) {
                statuses.push((await post(server, { ...hello, model: "sim-fast" })).status)
              }
            }
            await Promise.all(Array.from({ length: 8 }, caller))
          }
          const until = async (state: "ok" | "down") => {
            const isThere = () => status().state === state && (state === "down" || status().pending === 0)
            while (!isThere()) await nextTurn()
          }
          yield* Effect.promise(async () => {
            await load(200)
            await until("ok")
            await Promise.all([load(200), postgres.crash()])
            await load(200)
            await until("down")
            await Promise.all([load(200), postgres.start()])
            await until("ok")
            postgres.freeze()
            await load(200)
            await until("down")
            postgres.thaw()
            await load(200)
            await until("ok")
          })
          expect(new Set(statuses)).toEqual(new Set([200]))
          expect(status()).toMatchObject({ kind: "postgres", pending: 0, dropped: 0, written: 1200 })
          const usage = yield* Effect.promise(() => ask(server, "/api/v1/usage?by=provider"))
          const { store, sums } = JSON.parse(usage.text)
          expect(store).toBe("postgres")
          expect(sums).toMatchObject([{ name: "simulated", requests: 1200, attempts: 1200 }])
          const said = lines.map((line) => String(JSON.parse(line).message)).filter((line) => line.includes("ledger"))
          const told = said.filter((line) => line.startsWith("the ledger is not written:")).length
          expect(told).toBeGreaterThanOrEqual(2)
          expect(said.filter((line) => line === "the ledger is written again").length).toBe(told)
        }),
      60_000
    )

    it.live(
      "does not keep the gateway from starting or answering while it is away, and is a warning of its health",
      () =>
        Effect.gen(function*() {
          yield* Effect.promise(postgres.crash)
          const { server, status } = yield* serve({ sql: Redacted.make(postgres.url), leaveLimitMs: 10 }, [])
          const reply = yield* Effect.promise(() => post(server, { ...hello, model: "sim-fast" }))
          expect(reply.status).toBe(200)
          const usage = yield* Effect.promise(() => ask(server, "/api/v1/usage"))
          expect(usage.status).toBe(503)
          expect(JSON.parse(usage.text).error.code).toBe("ledger_unavailable")
          expect(usage.text).not.toContain("breakwater@")
          yield* Effect.promise(async () => {
            while (status().state !== "down") await nextTurn()
          })
          const health = yield* Effect.promise(() => ask(server, "/api/v1/health"))
          expect(health.status).toBe(200)
          expect(health.text).not.toContain("breakwater@")
          expect(JSON.parse(health.text)).toMatchObject({
            status: "warn",
            components: expect.arrayContaining([expect.objectContaining({ component: "storage", status: "warn" })])
          })
        }),
      60_000
    )
  }
)
