#!/usr/bin/env node
/** Runs the CLI on Node. The rest is imported dynamically: static imports would all be loaded before the version is looked at. */
import "./cli/NodeVersion.ts"

await import("effect/schema/SchemaJITCompiler/enable")
const { main } = await import("./cli/Cli.ts")
main()
