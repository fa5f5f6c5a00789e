/**
 * What the examples of Effect's documentation ask instead of one provider: a gateway in which the models they name are aliases.
 * The first target of each is down, so every answer here is one that failed over. Simulated, so that no key is needed.
 */
import { Gateway, Providers, Simulated } from "breakwater"
import { Layer } from "effect"

const alias = (model: string) => ({
  strategy: "ordered" as const,
  targets: [
    { provider: "primary", model: "sim-down", weight: 1 },
    { provider: "backup", model, weight: 1 }
  ]
})

export const GatewayLayer = Gateway.layer({
  aliases: {
    // Calls the tools it is given.
    "gpt-5.2": alias("sim-tools"),
    "gpt-4.1": alias("sim-json"),
    "claude-opus-4-6": alias("sim")
  }
}).pipe(Layer.provide(Providers.layer([Simulated.make("primary"), Simulated.make("backup")])))
