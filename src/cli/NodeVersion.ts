/** Stops at once, with one plain line, on a Node that is too old. Imported before anything that such a Node could not load. */

const wanted = 24
const found = process.versions.node

if (Number.parseInt(found, 10) < wanted) {
  process.stderr.write(
    `breakwater needs Node ${wanted} or newer, but this is Node ${found}: it would fail later and less clearly. `
      + `Run it with \`npm start\` after \`npm install\` (which brings its own Node ${wanted}), or install Node ${wanted}.\n`
  )
  process.exit(1)
}
