/** The server on a loopback port, for what only a socket shows. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { createServer } from "node:http"
import * as Logger from "../../src/observability/Logger.ts"
import * as Server from "../../src/server/Server.ts"
import { defaultServerSettings, type ServerSettings } from "../../src/server/ServerSettings.ts"
import { type Fake, layerFake } from "./Fake.ts"

/** Starts the server in the scope, and answers its base URL. Each log line goes to `lines`. */
export const listen = (
  fake: Fake,
  lines: Array<string>,
  settings: Partial<ServerSettings> = {},
  tracing: Layer.Layer<never> = Layer.empty
) =>
  Effect.gen(function*() {
    const context = yield* Layer.build(
      HttpRouter.serve(Server.layer({ ...defaultServerSettings, ...settings }), {
        disableLogger: true,
        disableListenLog: true
      }).pipe(
        Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
        Layer.provide(layerFake(fake)),
        Layer.provide(tracing),
        Layer.provide(Logger.layerLines({ format: "json", level: "debug" }, (line) => lines.push(line)))
      )
    )
    const { address } = yield* Effect.provideContext(HttpServer.HttpServer, context)
    return "port" in address ? `http://127.0.0.1:${address.port}` : ""
  })
