/** Writes the generated pages of `docs/`. `test/docs` fails when one of them is out of date. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { configurationPage } from "./configuration-page.ts"
import { errorsPage } from "./errors-page.ts"
import { metricsPage } from "./metrics-page.ts"
import { providersPage } from "./providers-page.ts"

/** Every generated page by its path. */
export const pages: Readonly<Record<string, () => string>> = {
  "docs/CONFIGURATION.md": configurationPage,
  "docs/ERRORS.md": errorsPage,
  "docs/METRICS.md": metricsPage,
  "docs/PROVIDERS.md": providersPage
}

if (import.meta.main) {
  for (const [path, page] of Object.entries(pages)) writeFileSync(join(import.meta.dirname, "..", path), page())
}
