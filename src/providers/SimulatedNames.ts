/** What the simulated models are called. Apart from what they do, so that a configuration can be checked without loading it. */

export const simulatedNames = [
  "sim",
  "sim-fast",
  "sim-slow",
  "sim-flaky",
  "sim-rate-limited",
  "sim-down",
  "sim-cut",
  "sim-stall",
  "sim-silent",
  "sim-tools",
  "sim-vision",
  "sim-json",
  "sim-reasoning",
  "sim-context",
  "sim-filter"
] as const

export type SimulatedName = (typeof simulatedNames)[number]
