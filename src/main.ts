#!/usr/bin/env node
/** Runs the CLI on Node. The rest is imported dynamically: static imports would all be loaded before the version is looked at. */
import "./cli/NodeVersion.ts"
import { enableCompileCache } from "node:module"
import { fileURLToPath } from "node:url"

// Halves every start but the first. Not in the shared temporary folder, where another user could leave code for us.
enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/breakwater", import.meta.url)))
await import("effect/schema/SchemaJITCompiler/enable")
const { main } = await import("./cli/Cli.ts")
main()
