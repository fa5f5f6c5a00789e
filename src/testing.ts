/** The second face, `breakwater/testing`: what a test of an app on this gateway needs instead of a network. */
export * as FaultProvider from "./providers/FaultProvider.ts"
export * as Scenario from "./providers/Scenario.ts"
export * as Simulated from "./providers/Simulated.ts"
export * as Testing from "./testing/Rehearsal.ts"
export * as Report from "./testing/Report.ts"
