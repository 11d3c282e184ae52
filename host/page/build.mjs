// Builds dist/page.js and dist/page.css, which the host has in its binary. The same sources give the same bytes.
import { build } from "esbuild";

await build({
  entryPoints: { page: "src/main.tsx" },
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome120", "firefox121", "safari17"],
  charset: "utf8",
  legalComments: "none",
  banner: { js: `/* Contains preact, (c) 2015-present Jason Miller, and marked, (c) 2018+ MarkedJS, (c) 2011-2018 Christopher Jeffrey,
both under the MIT License: https://opensource.org/license/mit */` },
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "warning",
});
