/** A child process that serves a stub through the real command line: what serve, drain and workers do is apart from what is served. */
import { Effect, Layer, Ref, Stream } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { runWith } from "../../src/cli/Cli.ts"
import { runMain } from "../../src/cli/Exit.ts"
import * as Fleet from "../../src/storage/Fleet.ts"

type Phase = "starting" | "ready" | "draining"

const routes = (ref: Ref.Ref<Phase>) =>
  HttpRouter.use((router) =>
    Effect.gen(function*() {
      const fleet = yield* Fleet.Fleet
      yield* fleet.handle("pid", () => Effect.succeed(process.pid))
      yield* router.add(
        "GET",
        "/api/v1/health/ready",
        Effect.map(Ref.get(ref), (now) => HttpServerResponse.text(now, { status: now === "ready" ? 200 : 503 }))
      )
      yield* router.add(
        "GET",
        "/pids",
        Effect.flatMap(fleet.gather({ topic: "pid", body: null }), (replies) => HttpServerResponse.json(replies))
      )
      yield* router.add("GET", "/die", Effect.sync(() => process.exit(7)))
      // One line, then silence until the second line, which comes when the drain has begun.
      yield* router.add(
        "GET",
        "/stream",
        Effect.sync(() =>
          HttpServerResponse.stream(
            Stream.concat(
              Stream.make("first\n"),
              Stream.fromEffect(
                Ref.get(ref).pipe(
                  Effect.delay("20 millis"),
                  Effect.repeat({ until: (now) => now === "draining" }),
                  Effect.delay("100 millis"),
                  Effect.as("last\n")
                )
              )
            ).pipe(Stream.encodeText)
          )
        )
      )
      yield* router.add(
        "GET",
        "/endless",
        Effect.sync(() =>
          HttpServerResponse.stream(Stream.concat(Stream.make("first\n"), Stream.never).pipe(Stream.encodeText))
        )
      )
    })
  )

const application = () =>
  Effect.gen(function*() {
    const phase = yield* Ref.make<Phase>("starting")
    yield* HttpRouter.serve(routes(phase), { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provide(Fleet.layer),
      Layer.build
    )
    return { setPhase: (next: Phase) => Ref.set(phase, next), reprice: () => [], endStreams: Effect.void }
  })

runMain(runWith(process.argv.slice(2), () => Promise.resolve(application)))
