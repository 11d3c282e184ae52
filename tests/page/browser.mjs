// A real Chromium with the page open in it, and the steps of a user there. What the page must never do is watched all the
// time: script of others, dialogs, other tabs, requests to other origins, and violations of the content security policy.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import puppeteer from "puppeteer-core";

/** Time for one step on a busy machine. */
const TIMEOUT = 20_000;

/** The browser, started once. It ends with this program. */
let browser;

/** Opens the page in a profile of its own and runs `steps`. `allowed` are other origins that may be asked. */
export async function visit(program, url, steps, { allowed = [] } = {}) {
  browser ??= await puppeteer.launch({
    executablePath: process.env.PATH.split(delimiter).map((directory) => join(directory, program)).find(existsSync),
    args: [
      "--no-sandbox", // Required to run as root. The page is ours; what it shows must not run.
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--no-proxy-server",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ],
  });
  const context = await browser.createBrowserContext();
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(TIMEOUT);
    await page.setViewport({ width: 1100, height: 800 });
    const seen = { dialogs: [], targets: [], requests: [], errors: [], logged: [] };
    page.on("dialog", (dialog) => {
      seen.dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    page.on("pageerror", (error) => seen.errors.push(error.message));
    page.on("console", (message) => seen.logged.push(message.text()));
    // An authorization server may have pages that load what they like.
    const isOwn = (request) => request.isNavigationRequest() || request.frame()?.url().startsWith(new URL(url).origin);
    page.on("request", (request) => isOwn(request) && seen.requests.push(request.url()));
    context.on("targetcreated", (target) => seen.targets.push(target.url()));
    await page.evaluateOnNewDocument(() => {
      window.__violations = [];
      document.addEventListener("securitypolicyviolation", (event) =>
        window.__violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`),
      );
    });
    await page.goto(url);
    const user = new User(page, seen);
    await steps(user, page);
    user.assertNothingHappened([new URL(url).origin, ...allowed]);
    assert.deepEqual(await page.evaluate(() => window.__violations), []);
    assert.equal(await page.evaluate(() => typeof window.__pwned), "undefined");
  } finally {
    await context.close();
  }
}

/** Ends the browser, at the end of a script. */
export async function close() {
  await browser.close();
}

export class User {
  constructor(page, seen) {
    this.page = page;
    this.seen = seen;
  }

  assertNothingHappened(origins) {
    const { dialogs, targets, requests, errors } = this.seen;
    assert.deepEqual({ dialogs, targets, errors }, { dialogs: [], targets: [], errors: [] });
    const others = requests.filter((url) => !/^(data|blob):/.test(url) && !origins.includes(new URL(url).origin));
    assert.deepEqual(others, []);
  }

  /** Waits until the text is somewhere on the page. */
  async sees(text, selector = "body") {
    const found = (selector, text) => [...document.querySelectorAll(selector)].some((element) => element.innerText.includes(text));
    await this.page.waitForFunction(found, {}, selector, text).catch(async () => {
      const shown = await this.page.evaluate(() => document.body.innerText);
      assert.fail(`the page does not show ${JSON.stringify(text)} in ${selector}:\n${shown}`);
    });
  }

  /** Waits for an element. */
  async waits(selector) {
    await this.page.waitForSelector(selector).catch(async () => {
      const shown = await this.page.evaluate(() => document.body.innerText);
      assert.fail(`no ${selector} at ${this.page.url()}:\n${shown}\n${this.seen.logged.join("\n")}`);
    });
  }

  /** Types into an element, once it is there. */
  async types(selector, text) {
    await this.waits(selector);
    await this.page.type(selector, text);
  }

  /** Presses the button or link of this text. */
  async press(text, selector = "button, a") {
    const find = (selector, text) => [...document.querySelectorAll(selector)].find((element) => element.innerText.trim() === text && !element.disabled);
    const handle = await this.page.waitForFunction(find, {}, selector, text).catch(() => assert.fail(`no ${selector} ${text}`));
    await handle.evaluate((element) => element.scrollIntoView({ block: "center" }));
    await handle.click();
  }

  /** Opens a tool, or another thing of the server. */
  async open(name, section = "tools") {
    await this.page.evaluate((hash) => { location.hash = hash; }, `#/${section}/${encodeURIComponent(name)}`);
    await this.page.waitForSelector(".runner h2");
    await this.page.waitForFunction((name) => document.title.startsWith(name), {}, name);
  }

  /** Fills in the field of this label. */
  async fill(label, text) {
    const find = (label) => {
      const labels = [...document.querySelectorAll(".field > label, .field > legend")];
      const found = labels.find((element) => element.querySelector("bdi")?.textContent === label || element.textContent === label);
      return found?.parentElement.querySelector("textarea, input, select");
    };
    const handle = await this.page.waitForFunction(find, {}, label).catch(() => assert.fail(`no field ${label}`));
    if ((await handle.evaluate((element) => element.tagName)) === "SELECT") {
      const value = await handle.evaluate((element, text) => [...element.options].find((option) => option.text === text)?.value, text);
      await handle.select(value);
      return;
    }
    await handle.evaluate((element) => element.select());
    await handle.type(text);
  }

  /** Runs what is open and waits for its end. Returns the word that says how. */
  async run(verb = "Run") {
    await this.press(verb, "button");
    return this.outcome();
  }

  async outcome() {
    await this.waits(".result .outcome");
    return this.page.$eval(".result .outcome", (element) => element.innerText);
  }
}
