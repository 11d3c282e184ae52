// A server whose every text tries to run script. Usage: hostile.mjs CHROMIUM URL
import assert from "node:assert/strict";
import { close, visit } from "./browser.mjs";

const [browser, url] = process.argv.slice(2);

/** Returns what the document has that could run script or load something, besides what the page itself has. */
function dangers() {
  const found = [];
  const schemes = { a: /^(https?|mailto|blob|cursor|vscode|lmstudio):|^#/, img: /^data:image\//, audio: /^data:audio\//, video: /^data:video\// };
  for (const element of document.querySelectorAll("*")) {
    const tag = element.localName;
    if (["iframe", "object", "embed", "base", "frame", "svg", "math", "template"].includes(tag)) found.push(tag);
    if (tag === "script" && (element.type !== "module" || element.parentElement !== document.body)) found.push("script");
    if (["link", "meta", "style"].includes(tag) && element.parentElement !== document.head) found.push(tag);
    for (const { name, value } of element.attributes) {
      if (name.startsWith("on") || ["style", "srcdoc", "formaction", "ping"].includes(name)) found.push(`${tag} ${name}`);
      if (["href", "src", "action", "data", "srcset"].includes(name) && tag !== "link" && !schemes[tag]?.test(value)) found.push(`${tag} ${name}=${value}`);
    }
    if (tag === "a" && element.getAttribute("href").startsWith("http") && !/noopener/.test(element.rel)) found.push("a opener");
  }
  if (Object.prototype.polluted !== undefined) found.push("prototype");
  return found;
}

let checks = 0;
const outcomes = {};
async function check(page, where) {
  // Events of pictures and the like have run by then.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 5))));
  assert.deepEqual(await page.evaluate(dangers), [], where);
  assert.equal(await page.evaluate(() => typeof window.__pwned), "undefined", where);
  checks++;
}

await visit(browser, url, async (user, page) => {
  for (const section of ["tools", "prompts", "resources"]) {
    await page.evaluate((hash) => { location.hash = hash; }, `#/${section}`);
    await page.waitForFunction((section) => document.querySelector(`.list input[aria-label="Search ${section}"]`), {}, section);
    await check(page, section);
    const hashes = await page.$$eval(".list a", (links) => links.map((link) => link.getAttribute("href")));
    assert.ok(hashes.length > 0, section);
    for (const hash of hashes) {
      const where = decodeURIComponent(hash);
      await page.evaluate((hash) => { location.hash = hash; }, hash);
      await page.waitForFunction((hash) => location.hash === hash && document.querySelector(".runner form"), {}, hash);
      await page.waitForFunction((link) => document.querySelector(`.list a[aria-current]`)?.getAttribute("href") === link, {}, hash);
      // Everything of the form opens.
      for (let adds = 0; adds < 4; adds++) {
        await page.evaluate(() => {
          for (const button of document.querySelectorAll("form button")) if (/^Add/.test(button.textContent)) button.click();
        });
        await check(page, where);
      }
      await page.evaluate(() => document.querySelector(".runner form").requestSubmit());
      await page.waitForSelector(".result, .questions, .problem");
      await check(page, where);
      if (await page.$(".questions")) {
        await user.press("Answer", "button");
        await user.outcome();
      }
      if (await page.$(".result")) outcomes[where] = await page.$eval(".result", (result) => result.innerText);
      await check(page, where);
      for (const view of ["JSON", "Code", "TypeScript", "Python", "Result", "Plain text", "Formatted"]) {
        const pressed = await page.evaluate((view) => {
          const button = [...document.querySelectorAll(".result button")].find((button) => button.textContent === view);
          button?.click();
          return button !== undefined;
        }, view);
        if (pressed) await check(page, `${where} ${view}`);
        await page.evaluate(() => { for (const details of document.querySelectorAll("details")) details.open = true; });
      }
      await check(page, where);
    }
  }
  for (const section of ["history", "connect"]) {
    await page.evaluate((hash) => { location.hash = hash; }, `#/${section}`);
    await page.waitForSelector(".narrow .card");
    await check(page, section);
  }
  // The address of the page is a text of others too.
  for (const hash of ["#/tools/<img src=x onerror=window.__pwned=1>", "#/resources/javascript:window.__pwned=1", "#/%/%", "#/__proto__/x", "#/tools/constructor"]) {
    await page.evaluate((hash) => { location.hash = hash; }, hash);
    await check(page, hash);
  }
  // The page has shown the payloads, and as text.
  await page.evaluate(() => { location.hash = "#/tools"; });
  await user.sees("<img src=x onerror=window.__pwned=1>", ".list");
});
assert.ok(checks > 100, String(checks));
// The server has let the payloads through, so that the page had to deal with them.
for (const [where, outcome] of Object.entries(outcomes)) {
  assert.ok(outcome.startsWith(where.includes("failure") ? "Failed" : "Done"), `${where}: ${outcome}`);
}

// The watch itself works: what could run is found, and the policy reports an attempt.
await assert.rejects(
  visit(browser, url, async (user, page) => {
    await user.sees("onerror", ".list");
    const isRefused = await page.evaluate(() => {
      document.body.append(document.createElement("base"));
      try {
        document.querySelector("h1").innerHTML = "<img src=x onerror=window.__pwned=1>";
        return false;
      } catch {
        return true;
      }
    });
    assert.ok(isRefused);
    assert.deepEqual(await page.evaluate(dangers), ["base"]);
    await page.waitForFunction(() => window.__violations.length > 0);
  }),
  /require-trusted-types-for/,
);
console.log(JSON.stringify({ checks, outcomes: Object.keys(outcomes).length }));

await close();
