/**
 * Asks a configuration what its callers see while its first provider flaps for a minute, or is silent for a while: thousands of
 * requests on a test clock, without a network, a key or a wait.
 */
import { Report, Scenario, Testing } from "breakwater/testing"
import { Console, Effect } from "effect"

// As a test would read it from the file that is deployed.
const config = `
providers:
  openai: { apiKey: "\${OPENAI_API_KEY}" }
  backup: { kind: openai-compatible, baseUrl: "\${BACKUP_URL}" }
models:
  fast:
    targets:
      - { provider: openai, model: gpt-5-mini }
      - { provider: backup, model: qwen3 }
    timeouts: { answer: 10s }
`

const well = Scenario.answering({ firstToken: "400ms", words: 20 })
const troubles = {
  flaps: Scenario.during("10s", "70s", Scenario.flapping({ up: "5s", down: "5s", healthy: well }), well),
  "is silent": Scenario.during("10s", "30s", Scenario.silent, well)
}

const program = Effect.gen(function*() {
  for (const [trouble, openai] of Object.entries(troubles)) {
    const report = yield* Testing.rehearse({
      config,
      scenarios: { openai, backup: Scenario.slow("800ms", well) },
      traffic: { requestsPerSecond: 20, for: "80s" }
    })
    yield* Console.log(`openai ${trouble}\n${Report.render(report)}`)

    // What a test would assert: second by second.
    const slow = report.slices.filter(({ latencyMs }) => (latencyMs?.p50 ?? 0) > 2000)
    yield* Console.log(`seconds in which half of the callers waited more than 2 s: ${slow.length}\n`)
  }
})

await Effect.runPromise(program)
