/** The second face, `breakwater/testing`: what a test of an app on this gateway needs instead of a network. */
export * as Simulated from "./providers/Simulated.ts"
