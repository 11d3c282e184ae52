// Five hundred tools. Usage: many.mjs CHROMIUM URL
import assert from "node:assert/strict";
import { close, visit } from "./browser.mjs";

const [browser, url] = process.argv.slice(2);
const TOOLS = 500;
/** Time from the answer of the server to the list on the screen. */
const MAX_RENDER_MS = 2_000;
/** Time from a key to the filtered list. */
const MAX_SEARCH_MS = 500;

await visit(browser, url, async (user, page) => {
  await page.waitForFunction((count) => document.querySelectorAll(".list li").length === count, { polling: "raf" }, TOOLS);
  const [rendered, answered] = await page.evaluate(() => [
    performance.now(),
    Math.max(...performance.getEntriesByType("resource").map((entry) => entry.responseEnd)),
  ]);
  assert.ok(answered > 0);
  assert.ok(rendered - answered < MAX_RENDER_MS, `${rendered - answered} ms`);
  const searched = await page.evaluate(async () => {
    const input = document.querySelector(".list input");
    const start = performance.now();
    input.value = "tool 499";
    input.dispatchEvent(new Event("input", { bubbles: true }));
    while (document.querySelectorAll(".list li").length !== 1) await new Promise(requestAnimationFrame);
    return performance.now() - start;
  });
  assert.ok(searched < MAX_SEARCH_MS, `${searched} ms`);
  await user.press("tool_499\nThis is tool 499 of many.", ".list a");
  assert.equal(await user.run(), "Done");
  console.log(JSON.stringify({ render: rendered - answered, searched }));
});

await close();
