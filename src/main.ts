#!/usr/bin/env node
/** Runs the CLI on Node. The rest is imported dynamically: static imports would all be loaded before the version is looked at. */
import "./cli/NodeVersion.ts"
import { enableCompileCache } from "node:module"
import { fileURLToPath } from "node:url"
import { setFlagsFromString } from "node:v8"

// Halves every start but the first. Not in the shared temporary folder, where another user could leave code for us.
enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/breakwater", import.meta.url)))
// A request's objects that V8 makes old at birth keep the whole request alive: docs/decisions/2026-11-23-no-objects-born-old.md.
setFlagsFromString("--no-allocation-site-pretenuring")
await import("effect/schema/SchemaJITCompiler/enable")
const { main } = await import("./cli/Cli.ts")
main()
