import { defineConfig } from "vitest/config"

export default defineConfig({
  // `import "breakwater"` in a test or example means the source, as it does for tsc.
  ssr: { resolve: { conditions: ["breakwater:source", "node", "import", "default"] } },
  test: {
    include: ["test/**/*.test.ts"],
    // One process per file, two at a time: the tests open sockets and start servers, and the smallest machine has two cores.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 15_000,
    hookTimeout: 30_000,
    teardownTimeout: 5_000
  }
})
