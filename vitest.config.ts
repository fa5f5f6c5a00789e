import { defineConfig } from "vitest/config"

export default defineConfig({
  resolve: { conditions: ["breakwater:source", "node"] },
  ssr: { resolve: { conditions: ["breakwater:source", "node"] } },
  test: {
    include: ["test/**/*.test.ts"]
  }
})
