// A person signs in at an OpenID provider, and with tokens. Usage: sign-in.mjs CHROMIUM URL ISSUER TOKEN
import assert from "node:assert/strict";
import { close, visit } from "./browser.mjs";

const [browser, url, issuer, token] = process.argv.slice(2);

await visit(
  browser,
  url,
  async (user, page) => {
    await user.sees("Sign in", "h2");
    assert.ok(!(await page.content()).includes("whoami"));
    await user.press("Sign in", "button");

    // The provider's own forms: log in, then consent.
    await user.waits("input[name=login]");
    const asked = new URL(user.seen.requests.find((request) => request.startsWith(`${issuer}/auth`))).searchParams;
    assert.equal(asked.get("code_challenge_method"), "S256");
    assert.equal(asked.get("resource"), `${url}mcp`);
    assert.equal(asked.get("client_id"), "page");
    assert.equal(asked.get("scope"), "tools:use");
    await user.types("input[name=login]", "alice");
    await user.types("input[name=password]", "any");
    await Promise.all([page.waitForNavigation(), page.click("button[type=submit]")]);
    await page.waitForFunction((url) => location.href.startsWith(url) || document.querySelector("button[type=submit]"), {}, url);
    if (!page.url().startsWith(url)) await page.click("button[type=submit]");

    // What this caller may call is listed: the other tool needs another scope.
    await user.sees("Tools 1", ".top nav");
    await user.sees("Who am I", ".list");
    assert.equal(await page.evaluate(() => document.body.innerText.includes("echo")), false);
    await page.evaluate(() => { location.hash = "#/tools/whoami"; });
    assert.equal(await user.run(), "Done");
    await user.sees("alice", ".result");

    // Neither the code nor the token is kept anywhere.
    const kept = await page.evaluate(() => JSON.stringify([location.href, history.state, { ...sessionStorage }, { ...localStorage }, document.cookie]));
    assert.equal(kept, JSON.stringify([`${url}#/tools/whoami`, null, {}, {}, ""]));
    await user.press("Code", ".result button");
    await user.sees("$TOKEN", ".snippet");
    assert.ok(!(await page.content()).includes("eyJ"), "the token is shown");

    await user.press("Sign out", "button");
    await user.sees("Sign in", "h2");
  },
  { allowed: [issuer] },
);

// An answer that this page did not ask for is not taken.
await visit(browser, `${url}?code=stolen&state=other`, async (user, page) => {
  await user.sees("Sign in", "h2");
  assert.ok(!user.seen.requests.some((request) => request.startsWith(issuer)));
  await page.evaluate(() => sessionStorage.setItem("toolcrib.sign-in", JSON.stringify({ state: "mine", issuer: "", hash: "" })));
  await page.reload();
  await user.sees("not to this sign-in", ".sign-in");
  assert.ok(!user.seen.requests.some((request) => request.startsWith(issuer)));
  assert.equal(page.url(), url);
});

// A token that is pasted: a wrong one is refused with a reason.
await visit(browser, url, async (user, page) => {
  await user.types("#token", "wrong");
  await user.press("Use the token", "button");
  await user.sees("The token was refused", ".sign-in");
  await user.types("#token", `Bearer ${token}`);
  await user.press("Use the token", "button");
  await user.sees("Who am I", ".list");
});

await close();
