import { afterAll, describe, expect, it } from "@effect/vitest"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Ledger from "../../src/accounting/Ledger.ts"
import * as Server from "../../src/server/Server.ts"
import { defaultServerSettings } from "../../src/server/ServerSettings.ts"
import * as Fleet from "../../src/storage/Fleet.ts"
import { ask, errorOf } from "./Client.ts"
import { layerFake, makeFake } from "./Fake.ts"

describe("the usage of a server with a ledger", () => {
  const server = HttpRouter.toWebHandler(
    Server.layer(defaultServerSettings).pipe(
      Layer.provide([layerFake(makeFake()), Layer.provide(Ledger.layer(), Fleet.layerSingle), HttpServer.layerServices])
    ),
    { disableLogger: true }
  )
  afterAll(server.dispose)

  it.each(["999999999999h", "99999999999999999999d", "24h"])("is told of the last %s", async (span) => {
    const reply = await ask(server, `/api/v1/usage?since=${span}`)
    expect(reply.status).toBe(200)
    expect(JSON.parse(reply.text).sums).toEqual([])
  })

  it("is refused for a span that is none", async () => {
    const reply = await ask(server, "/api/v1/usage?since=yesterday")
    expect(reply.status).toBe(400)
    expect(errorOf(reply).param).toBe("since")
  })
})
