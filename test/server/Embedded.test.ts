import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Server from "../../src/server/Server.ts"
import { defaultServerSettings } from "../../src/server/ServerSettings.ts"
import { ask, chatPath, hello } from "./Client.ts"
import { layerFake, makeFake } from "./Fake.ts"

const closed = HttpRouter.use((router) =>
  router.addGlobalMiddleware((effect) => Effect.as(effect, HttpServerResponse.text("closed", { status: 403 })))
)
const gateway = Server.layer(defaultServerSettings).pipe(Layer.provide(layerFake(makeFake())))

describe("the server in somebody's own app", () => {
  for (
    const [order, app] of [["before", Layer.merge(closed, gateway)], ["after", Layer.merge(gateway, closed)]] as const
  ) {
    it(`answers nothing past a middleware of the app that comes ${order} it`, async () => {
      const server = HttpRouter.toWebHandler(Layer.provide(app, HttpServer.layerServices), { disableLogger: true })
      const headers = { "content-type": "application/json" }
      const reply = await ask(server, chatPath, { method: "POST", body: JSON.stringify(hello), headers })
      await server.dispose()
      expect([reply.status, reply.text]).toEqual([403, "closed"])
    })
  }
})
