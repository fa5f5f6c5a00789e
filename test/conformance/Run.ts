/** Makes the requests of the scenarios, each in a trace of its own, and gathers what was exported. */
import { createHash } from "node:crypto"
import { Agent, request } from "node:http"
import { refused } from "../faults/Listeners.ts"
import * as Faults from "../faults/Upstream.ts"
import * as Wire from "../wire/Gateway.ts"
import { startRich } from "./RichUpstream.ts"
import { type Facts, type Profile, userAgent } from "./Rules.ts"
import { models, prices, type Scenario } from "./Scenarios.ts"
import { type Sink, type Span, startSink } from "./Sink.ts"

/** The span that every request here is a child of. */
export const caller = "b7ad6b7169203331"

/** A trace id for a name. */
export const traceOf = (name: string): string => createHash("sha256").update(name).digest("hex").slice(0, 32)

export const factsOf = ({ answer, body }: Scenario, exporter: Facts["exporter"]): Facts => ({
  exporter,
  answer,
  body: typeof body === "object" ? body : undefined
})

interface World {
  readonly gateway: Wire.Gateway
  readonly sink: Sink
  readonly faults: Faults.Upstream
  /** Headers of all requests that came to an upstream. */
  readonly seen: () => ReadonlyArray<Readonly<Record<string, unknown>>>
  /** Ends the gateway, which exports what is left; then everything else. */
  readonly end: () => Promise<ReadonlyArray<Span>>
}

const openai = (baseUrl: string, more: object = {}) => ({ kind: "openai", baseUrl, apiKey: "sk-test", ...more })

/** A gateway over the upstreams that exports to a sink. */
export const startWorld = async (profile: Profile, exporter: "native" | "sdk", more: object = {}): Promise<World> => {
  const [sink, rich, faults] = await Promise.all([startSink(), startRich(), Faults.start()])
  const gateway = await Wire.start({
    providers: {
      rich: openai(rich.url, { prices, models: ["gpt-rich"] }),
      faulty: {
        kind: "openai-compatible",
        baseUrl: faults.url,
        apiKey: "none",
        breaker: { consecutiveFailures: 1000 }
      },
      well: { kind: "openai-compatible", baseUrl: faults.url, apiKey: "none" },
      locked: openai(faults.url),
      gone: { kind: "openai-compatible", baseUrl: await refused(), apiKey: "none" },
      brittle: {
        kind: "openai-compatible",
        baseUrl: faults.url,
        apiKey: "none",
        breaker: { consecutiveFailures: 1, window: "1ms", openFor: "60s", openMax: "60s" }
      }
    },
    models,
    defaults: {
      timeouts: { connect: "2s", firstToken: "2s", answer: "2s", idle: "2s", total: "30s" },
      retry: { attempts: 3, base: "5ms", throttleBase: "20ms", max: "5s" }
    },
    telemetry: {
      otlp: { endpoint: sink.url, exporter, protocol: "http/json", interval: "100ms", conventions: profile }
    },
    ...more
  })
  return {
    gateway,
    sink,
    faults,
    seen: () => [...rich.headers, ...faults.attempts.map(({ headers }) => headers)],
    end: async () => {
      await gateway.stop()
      await Promise.all([sink.close(), rich.close(), faults.close()])
      return sink.spans
    }
  }
}

/** One request of a scenario; gives the status, 0 where there was none. */
export const ask = ({ faults, gateway }: World, scenario: Scenario, traceId: string): Promise<number> =>
  new Promise((resolve) => {
    const { body, headers, leaves, method = "POST", path = "/v1/chat/completions" } = scenario
    const text = typeof body === "object" ? JSON.stringify(body) : body ?? ""
    const sent = request(gateway.origin + path, {
      method,
      agent: new Agent({ keepAlive: false }),
      headers: {
        "user-agent": userAgent,
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text),
        traceparent: `00-${traceId}-${caller}-01`,
        ...headers
      }
    }, (response) => {
      const status = response.statusCode ?? 0
      const done = () => resolve(status)
      response.on("data", () => {
        if (leaves === "at-first-piece") sent.destroy()
      }).on("end", done).on("close", done).on("error", done)
    })
    sent.on("error", () => resolve(0))
    if (leaves === "once-asked") {
      const stop = faults.onAttempt(({ scenario: name }) => {
        if (!name.endsWith("#leaving")) return
        stop()
        sent.destroy()
      })
    }
    sent.end(text)
  })
