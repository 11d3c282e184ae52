// A person uses tools of each kind of content. Usage: uses.mjs CHROMIUM URL
import assert from "node:assert/strict";
import { close, visit } from "./browser.mjs";

const [browser, url] = process.argv.slice(2);

await visit(browser, url, async (user, page) => {
  // The list, with a search.
  await user.sees("Workshop tools", "h1");
  await user.types(".list input", "QR pict");
  await user.sees("1 of ", ".list");
  await page.$eval(".list input", (input) => input.select());
  await page.keyboard.press("Backspace");

  // A text.
  await user.open("echo");
  await user.fill("text", "hé 世界 <b>");
  assert.equal(await user.run(), "Done");
  await user.sees("hé 世界 <b>", ".result");
  assert.match(await page.$eval(".result header", (header) => header.innerText), /\d m?s/);
  await user.press("JSON", ".result button");
  await user.sees("structuredContent", ".result");

  // The same as code: the command is executed by the test.
  await user.press("Code", ".result button");
  const curl = await page.$eval(".result .snippet code", (code) => code.innerText);
  assert.match(curl, /^curl -s .*\/mcp/);
  console.log(JSON.stringify({ curl }));
  await user.press("Python", ".result button");
  await user.sees("fastmcp", ".result");

  // Data: the form has an enum, a number and raw JSON; the result is a table.
  await user.open("jq");
  await user.fill("filter", "{rows: [.[] | {name, price, more: [1]}]}");
  await user.fill("input", '[{"name":"Tea","price":2.5},{"name":"<i>Cake</i>","price":4}]');
  assert.equal(await user.run(), "Done");
  await user.sees("Tea", "table td");
  await user.sees("<i>Cake</i>", "table td");
  await user.sees("price", "table th");

  // JSON that does not parse is not sent.
  await user.fill("input", "[1,");
  await user.press("Run", "button");
  await user.sees("This is not JSON", ".problem");

  // Invalid arguments and failures are sentences.
  await user.open("jq");
  await user.fill("filter", "][");
  await user.fill("input", "1");
  assert.equal(await user.run(), "Failed");
  await user.sees("filter", ".result");

  // A picture.
  await user.open("qr_code");
  await user.fill("text", "https://example.com");
  await user.fill("error_correction", "high");
  assert.equal(await user.run(), "Done");
  const size = await page.$eval(".result img", async (image) => (await image.decode(), image.naturalWidth));
  assert.ok(size > 100, String(size));

  // Audio.
  await user.open("sound");
  assert.equal(await user.run(), "Done");
  await page.waitForSelector('.result audio[src^="data:audio/wav"]');
  await user.sees("audio/wav, 44 bytes", ".result");

  // Markdown.
  await user.open("notes");
  assert.equal(await user.run(), "Done");
  await user.sees("Notes", ".result .markdown h3");
  await user.sees("strong", ".result .markdown strong");
  await user.sees("cell", ".result .markdown td");
  await user.press("Plain text", ".result button");
  await user.sees("**strong**", ".result pre");

  // Raw JSON instead of the form.
  await user.open("echo");
  await page.click(".raw input");
  await page.$eval(".form textarea", (area) => area.select());
  await user.types(".form textarea", '{"text":"raw"}');
  assert.equal(await user.run(), "Done");
  await user.sees("raw", ".result");

  // Progress and log while it runs, then the user cancels.
  await user.open("slow");
  await user.press("Run", "button");
  await user.sees("2 of 4 halfway", ".running");
  await user.sees("a line of the log", ".log");
  await user.press("Cancel", ".running button");
  assert.equal(await user.outcome(), "Cancelled");

  // A question: answered in its form, and declined.
  await user.open("asks");
  await user.press("Run", "button");
  await user.sees("Your name?", ".questions");
  await user.fill("name", "Ada");
  await user.press("Answer", "button");
  assert.equal(await user.outcome(), "Done");
  await user.sees("Ada", ".result");
  await user.press("Run", "button");
  await user.press("Decline", "button");
  await user.sees("decline", ".result");

  // A resource, a template and a prompt.
  await user.open("handbook://index", "resources");
  assert.equal(await user.run("Read"), "Done");
  await user.sees("handbook://index", ".result .resource");
  const template = await page.evaluate(() => document.querySelector('.list a[href*="%7B"]').getAttribute("href"));
  await page.evaluate((hash) => { location.hash = hash; }, template);
  await user.sees("Chapter", ".runner h2");
  for (const area of await page.$$(".form textarea")) await area.type("no such chapter");
  assert.equal(await user.run("Read"), "Failed");
  await user.open("ask_handbook", "prompts");
  await user.fill("question", "Where is the key?");
  assert.equal(await user.run("Get the prompt"), "Done");
  await user.sees("Where is the key?", ".result .message");

  // The history does a call again.
  await page.evaluate(() => { location.hash = "#/history"; });
  await user.sees("qr_code", ".history");
  const entry = await page.waitForFunction(() => [...document.querySelectorAll(".history a")].find((link) => link.innerText.includes("example.com")));
  await entry.click();
  await page.waitForFunction(() => document.querySelector(".form textarea")?.value === "https://example.com");

  // How clients connect.
  await page.evaluate(() => { location.hash = "#/connect"; });
  await user.sees(`claude mcp add --transport http Workshop-tools ${url}mcp`, ".snippet");
  const cursor = await page.$eval('a[href^="cursor:"]', (link) => new URL(link.href).searchParams.get("config"));
  assert.deepEqual(JSON.parse(atob(cursor)), { url: `${url}mcp` });
  const code = await page.$eval('a[href^="vscode:"]', (link) => decodeURIComponent(link.href.split("?")[1]));
  assert.deepEqual(JSON.parse(code), { name: "Workshop-tools", type: "http", url: `${url}mcp` });
});

// The keyboard alone: search, choose, fill in, run, read.
await visit(browser, url, async (user, page) => {
  await page.waitForSelector(".list a");
  await page.keyboard.press("/");
  await page.keyboard.type("echo");
  await user.sees("1 of ", ".list");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".runner h2:focus");
  for (let presses = 0; ; presses++) {
    assert.ok(presses < 10, "the field is not reached");
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement.tagName === "TEXTAREA")) break;
  }
  await page.keyboard.type("typed");
  await page.keyboard.down("Control");
  await page.keyboard.press("Enter");
  await page.keyboard.up("Control");
  assert.equal(await user.outcome(), "Done");
  await user.sees("typed", ".result");
  // A screen reader hears of the end, and what has the focus is visible.
  await user.sees("Done.", "[role=status]");
  for (let presses = 0; ; presses++) {
    assert.ok(presses < 10, "the views of the result are not reached");
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement.innerText === "JSON")) break;
  }
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, "none");
  await page.keyboard.press("Enter");
  await user.sees("content", ".result .tree");
});

// The width of a phone, in the dark: nothing is wider than the screen.
await visit(browser, url, async (user, page) => {
  await page.setViewport({ width: 390, height: 844 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  for (const hash of ["#/tools", "#/tools/jq", "#/tools/qr_code", "#/connect", "#/prompts"]) {
    await page.evaluate((hash) => { location.hash = hash; }, hash);
    await page.waitForSelector(hash === "#/connect" ? ".snippet" : hash.split("/").length > 2 ? ".runner" : ".list");
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, hash);
  }
  const background = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  assert.equal(background, "rgb(20, 23, 28)");
});

await close();
