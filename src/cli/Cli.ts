/** The command door: `breakwater [serve] | check | explain | keys | usage | breakers`. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { check } from "./Check.ts"
import { runMain } from "./Exit.ts"
import * as Mistake from "./Mistake.ts"
import { type LoadApplication, start } from "./Start.ts"
import { fail } from "./Unanswered.ts"

/** Kept in step with package.json by a test. */
export const version = "0.1.0"

const serveFlags = {
  config: Flag.String("config").pipe(
    Flag.withAlias("c"),
    Flag.withDescription(
      "Configuration file: .yaml, .json or .toml (else BREAKWATER_CONFIG, else ./breakwater.yaml if present)"
    ),
    Flag.optional
  ),
  host: Flag.String("host").pipe(Flag.withDescription("Address to listen on (default 127.0.0.1)"), Flag.optional),
  port: Flag.Int("port").pipe(
    Flag.withAlias("p"),
    Flag.withDescription("Port to listen on (default 8000; 0 = any free one)"),
    Flag.optional
  ),
  workers: Flag.Int("workers").pipe(
    Flag.withAlias("w"),
    Flag.withDescription("Worker processes (default 1)"),
    Flag.optional
  )
}

interface ServeInput {
  readonly config: Option.Option<string>
  readonly host: Option.Option<string>
  readonly port: Option.Option<number>
  readonly workers: Option.Option<number>
}

const serve = (loadApplication: LoadApplication) => (input: ServeInput) =>
  start({
    config: Option.getOrUndefined(input.config),
    host: Option.getOrUndefined(input.host),
    port: Option.getOrUndefined(input.port),
    workers: Option.getOrUndefined(input.workers)
  }, loadApplication)

const adminKey = Flag.Redacted("admin-key").pipe(
  Flag.withDescription("The server's admin key (else BREAKWATER_ADMIN_KEY)"),
  Flag.withFallbackConfig(Config.Redacted("BREAKWATER_ADMIN_KEY")),
  Flag.optional
)

/** How a command finds the server that is meant. */
const serverFlags = {
  url: Flag.String("url").pipe(
    Flag.withDescription("Where the server listens (else where one would that is started here with the same flags)"),
    Flag.optional
  ),
  config: serveFlags.config,
  host: serveFlags.host,
  port: serveFlags.port,
  adminKey
}

interface Where {
  readonly url: Option.Option<string>
  readonly config: Option.Option<string>
  readonly host: Option.Option<string>
  readonly port: Option.Option<number>
  readonly adminKey: Option.Option<Redacted.Redacted>
}

const locate = ({ adminKey, config, host, port, url }: Where) =>
  Effect.flatMap(Effect.promise(() => import("./Breakers.ts")), (module) =>
    module.locate({
      url: Option.getOrUndefined(url),
      adminKey: Option.getOrUndefined(adminKey),
      flags: {
        config: Option.getOrUndefined(config),
        host: Option.getOrUndefined(host),
        port: Option.getOrUndefined(port)
      }
    }))

const usage = Command.make("usage", {
  by: Flag.Literals("by", ["model", "provider", "key", "tag", "day"]).pipe(
    Flag.withDescription("What the sums are taken by (default model)"),
    Flag.withDefault("model")
  ),
  since: Flag.String("since").pipe(
    Flag.withDescription("From when on: a span such as 24h or 7d, a day such as 2026-11-01, or a moment (default all)"),
    Flag.optional
  ),
  format: Flag.Literals("format", ["table", "csv", "json"]).pipe(
    Flag.withDescription("How it is written (default table)"),
    Flag.withDefault("table")
  ),
  ...serverFlags
}, ({ by, format, since, ...where }) =>
  Effect.gen(function*() {
    const module = yield* Effect.promise(() => import("./Usage.ts"))
    const server = yield* locate(where)
    return yield* module.show(server, { by, format, since: Option.getOrUndefined(since) })
  })).pipe(Command.withDescription("Show use and cost of a running server, summed up from its ledger"))

const breakers = Command.make("breakers", {
  action: Argument.Literals("action", ["list", "reset", "open", "close", "metrics-only"]).pipe(
    Argument.withDescription("What to do (default list)"),
    Argument.withDefault("list")
  ),
  target: Argument.String("target").pipe(
    Argument.withDescription("provider/model of the file; reset without one means all of them"),
    Argument.optional
  ),
  all: Flag.Boolean("all").pipe(Flag.withDescription("Every target, in the place of one"), Flag.withDefault(false)),
  reason: Flag.String("reason").pipe(
    Flag.withDescription("Why, for the log and for who lists them"),
    Flag.optional
  ),
  ttl: Flag.String("ttl").pipe(
    Flag.withDescription("How long it holds, such as 30s or 10m (default until the next command)"),
    Flag.optional
  ),
  ...serverFlags
}, ({ action, all, reason, target, ttl, ...where }) =>
  Effect.gen(function*() {
    const module = yield* Effect.promise(() => import("./Breakers.ts"))
    const wrong = module.misunderstood({ action, target: Option.getOrUndefined(target), all })
    if (wrong !== undefined) return yield* fail(wrong)
    const server = yield* locate(where)
    const order = {
      action,
      target: Option.getOrUndefined(target),
      reason: Option.getOrUndefined(reason),
      ttl: Option.getOrUndefined(ttl)
    }
    return yield* action === "list" ? module.list(server) : module.control(server, order)
  })).pipe(Command.withDescription("Show and control the circuit breakers of a running server"))

const keys = Command.make(
  "keys",
  {
    action: Argument.Literals("action", ["list", "issue", "revoke", "rotate"]).pipe(
      Argument.withDescription("What to do (default list)"),
      Argument.withDefault("list")
    ),
    name: Argument.String("name").pipe(Argument.withDescription("Of the key"), Argument.optional),
    model: Flag.String("model").pipe(
      Flag.withDescription("A model that a new key may call; once for each (default all)"),
      Flag.atLeast(0)
    ),
    tag: Flag.String("tag").pipe(Flag.withDescription("A tag of a new key; once for each"), Flag.atLeast(0)),
    rpm: Flag.Int("rpm").pipe(Flag.withDescription("Requests a minute (default no limit)"), Flag.optional),
    tpm: Flag.Int("tpm").pipe(Flag.withDescription("Tokens a minute (default no limit)"), Flag.optional),
    concurrent: Flag.Int("concurrent").pipe(Flag.withDescription("Requests at once (default no limit)"), Flag.optional),
    budget: Flag.String("budget").pipe(
      Flag.withDescription("What it may spend in USD, such as 5/day or 50/month (default no limit)"),
      Flag.optional
    ),
    expires: Flag.String("expires").pipe(
      Flag.withDescription("Its end: a day such as 2026-12-31, or a moment in ISO 8601 (default none)"),
      Flag.optional
    ),
    grace: Flag.String("grace").pipe(
      Flag.withDescription("How long the present text of a rotated key stays good, such as 24h (default not at all)"),
      Flag.optional
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("JSON instead of text"), Flag.withDefault(false)),
    ...serverFlags
  },
  ({ action, budget, concurrent, expires, grace, json, model, name, rpm, tag, tpm, ...where }) =>
    Effect.gen(function*() {
      const module = yield* Effect.promise(() => import("./Keys.ts"))
      const server = yield* locate(where)
      return yield* module.run(server, {
        action,
        name: Option.getOrUndefined(name),
        models: model,
        tags: tag,
        rpm: Option.getOrUndefined(rpm),
        tpm: Option.getOrUndefined(tpm),
        concurrent: Option.getOrUndefined(concurrent),
        budget: Option.getOrUndefined(budget),
        expires: Option.getOrUndefined(expires),
        grace: Option.getOrUndefined(grace),
        json
      })
    })
).pipe(Command.withDescription("List, issue, revoke and rotate the client keys of a running server"))

const explain = Command.make("explain", {
  model: Flag.String("model").pipe(
    Flag.withAlias("m"),
    Flag.withDescription("What a caller would put in model (default that of --file)"),
    Flag.optional
  ),
  file: Flag.String("file").pipe(
    Flag.withAlias("f"),
    Flag.withDescription("A chat completion request in JSON, checked as the server would"),
    Flag.optional
  ),
  config: serveFlags.config,
  json: Flag.Boolean("json").pipe(Flag.withDescription("One JSON object instead of text"), Flag.withDefault(false)),
  seed: Flag.String("seed").pipe(
    Flag.withDescription("Seed of the draw of a weighted alias (default a new one)"),
    Flag.optional
  ),
  url: Flag.String("url").pipe(
    Flag.withDescription("Judge by the targets of the server that listens here, not by idle ones"),
    Flag.optional
  ),
  adminKey
}, ({ adminKey, config, file, json, model, seed, url }) =>
  Effect.flatMap(
    Effect.promise(() => import("./Explain.ts")),
    (module) =>
      module.explain({
        config: Option.getOrUndefined(config),
        model: Option.getOrUndefined(model),
        file: Option.getOrUndefined(file),
        seed: Option.getOrUndefined(seed),
        json,
        server: Option.getOrUndefined(
          Option.map(url, (address) => ({ url: address, adminKey: Option.getOrUndefined(adminKey) }))
        )
      })
  )).pipe(Command.withDescription("Show which targets would answer a request, and why, without sending anything"))

const command = (loadApplication: LoadApplication) =>
  Command.make("breakwater", serveFlags, serve(loadApplication)).pipe(
    Command.withDescription("An AI gateway: one OpenAI-compatible door with failover. Without a command it serves."),
    Command.withSubcommands([
      Command.make("serve", serveFlags, serve(loadApplication)).pipe(
        Command.withDescription("Serve until told to stop")
      ),
      Command.make("check", {
        file: Argument.String("file").pipe(
          Argument.withDescription("Configuration file (else what a start would use: see --config)"),
          Argument.optional
        )
      }, ({ file }) => check(Option.getOrUndefined(file))).pipe(
        Command.withDescription("Say what a configuration means, or everything that is wrong with it")
      ),
      explain,
      keys,
      usage,
      breakers
    ])
  )

/** Empty variables are kept: `${NAME}` of an empty one means absent, of one that is not set is a mistake. */
const environment = Layer.unwrap(
  Effect.sync(() => ConfigProvider.layer(ConfigProvider.fromEnv({ preserveEmptyStrings: true })))
)

/** The command line as an Effect; `args` without node and script. Fails with `ExitWith` or a usage error. */
export const runWith = (args: ReadonlyArray<string>, loadApplication: LoadApplication) =>
  Command.runWith(command(loadApplication), { version })(args).pipe(
    Effect.provide(Layer.mergeAll(NodeServices.layer, environment, Mistake.layer))
  )

/** Runs the process's command line to its exit code. */
export const main = (): void =>
  runMain(runWith(process.argv.slice(2), () => import("./Application.ts").then((module) => module.serve)))
