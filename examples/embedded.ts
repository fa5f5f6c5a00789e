/**
 * The gateway's routes inside an HTTP app of your own: one router, one port. Serves on a free loopback port, asks once over
 * HTTP for each half, and stops.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { defaultServerSettings, Gateway, Health, Providers, Server, Simulated } from "breakwater"
import { Console, Effect, Layer, Schema } from "effect"
import { FetchHttpClient, HttpBody, HttpClient, HttpRouter, HttpServer } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { createServer } from "node:http"

// The app: one endpoint of its own.
class AppApi extends HttpApi.make("app").add(
  HttpApiGroup.make("greetings").add(HttpApiEndpoint.get("hello", "/hello", { success: Schema.String }))
) {}

const app = HttpApiBuilder.layer(AppApi).pipe(
  Layer.provide(
    HttpApiBuilder.group(
      AppApi,
      "greetings",
      (handlers) => handlers.handle("hello", () => Effect.succeed("hello from the app"))
    )
  )
)

// The gateway: its routes over its flow over a provider. Its middleware wraps the whole router: x-request-id on every answer.
const gateway = Server.layer(defaultServerSettings).pipe(
  Layer.provideMerge(Gateway.layer()),
  Layer.provide(Providers.layer([Simulated.make("simulated")]))
)

const server = HttpRouter.serve(Layer.mergeAll(app, gateway), { disableLogger: true, disableListenLog: true }).pipe(
  Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
)

const program = Effect.gen(function*() {
  const { address } = yield* HttpServer.HttpServer
  const url = "port" in address ? `http://127.0.0.1:${address.port}` : ""

  // Whoever serves says when: until then GET /api/v1/health/ready answers 503.
  yield* (yield* Health).setPhase("ready")
  yield* Console.log(`GET /api/v1/health/ready ${(yield* HttpClient.get(`${url}/api/v1/health/ready`)).status}`)

  const hello = yield* HttpClient.get(`${url}/hello`)
  yield* Console.log(`GET /hello ${hello.status} ${yield* hello.text}`)

  const answer = yield* HttpClient.post(`${url}/v1/chat/completions`, {
    body: HttpBody.jsonUnsafe({ model: "sim-fast", messages: [{ role: "user", content: "Hello" }] })
  })
  const { headers, status } = answer
  yield* Console.log(`POST /v1/chat/completions ${status} by ${headers["x-breakwater-provider"]}`)
})

await Effect.runPromise(program.pipe(Effect.provide(Layer.merge(server, FetchHttpClient.layer))))
