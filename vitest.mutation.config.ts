import { defineConfig } from "vitest/config"

/**
 * What Stryker runs against the mutants of one module (`tools/mutate.ts` names the tests): in-process tests alone, because a
 * server started as a child would not carry the mutant.
 */
export default defineConfig({
  ssr: { resolve: { conditions: ["breakwater:source", "node", "import", "default"] } },
  test: {
    include: process.env["BREAKWATER_MUTATION_TESTS"]?.split(",") ?? ["test/resilience/*.test.ts"],
    testTimeout: 15_000
  }
})
