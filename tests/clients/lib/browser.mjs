// Owns the person: a headless Chromium that signs in and decides on the real pages, by what is
// written on them (names of fields and buttons), never by their looks.

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { keep } from './canaries.mjs';

const CHROMIUM = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync);
const SCREENSHOTS = process.env.PORTCULLIS_SCREENSHOTS;
const PAGE_MS = 15_000;

// No sandbox: the tests run as root in containers, and the only pages visited are our own.
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export function launchBrowser() {
  if (!CHROMIUM) throw new Error('No Chromium: install the Debian package chromium, or name one in CHROMIUM.');
  const launch = () => chromium.launch({ executablePath: CHROMIUM, headless: true, args: ARGUMENTS });
  // Chromium sometimes crashes while it starts; what is tested begins after that.
  return launch().catch(launch);
}

export class Person {
  /** `demo`: the account (`email`, `password`); `scripts: false` switches JavaScript off. */
  static async sitDown(browser, demo, { scripts = true } = {}) {
    const person = new Person();
    person.demo = demo;
    person.context = await browser.newContext({ javaScriptEnabled: scripts });
    person.context.setDefaultTimeout(PAGE_MS);
    person.page = await person.context.newPage();
    return person;
  }

  /**
   * Opens an authorization URL, signs in if asked, and answers the consent page.
   * Gives the text of the consent page. `untick`: scopes not to grant; `decision`: `approve` or `deny`.
   */
  async decide(url, { untick = [], decision = 'approve' } = {}) {
    return this.#unstuck(async () => {
      const decide = this.page.locator(`button[name="decision"][value="${decision}"]`);
      await this.#reach(url, decide);
      const text = await this.page.locator('body').innerText();
      await this.#tick(untick);
      await decide.click();
      return text;
    });
  }

  /** Opens the page of a connection, signs in if asked, goes to the upstream server by its button, and comes back: the page. */
  async authorise(url) {
    return this.#unstuck(async () => {
      const button = this.page.locator('form[action$="/authorize"] button');
      await this.#reach(url, button);
      await button.click();
      await this.page.locator('dt', { hasText: 'Tried out' }).waitFor();
      return this.page.locator('body').innerText();
    });
  }

  /** Opens the page of calls that wait for this person, and leaves it open. */
  async watchApprovals() {
    return this.#unstuck(() => this.#reach(new URL('/approvals', this.demo.mcp_url), this.page.locator('#live')));
  }

  /** Opens the page of one call, by the address that a client was told. */
  async openApproval(url) {
    return this.#unstuck(() => this.#reach(url, this.page.locator('.approval')));
  }

  /** What the page says of the first call that waits, once there is one. */
  async approvalThatCameIn() {
    return this.#unstuck(async () => {
      const card = this.page.locator('.approval', { has: this.page.locator('[name="decision"]') }).first();
      await card.waitFor();
      return card.innerText();
    });
  }

  /** Presses `approve` or `deny` on it. */
  async decideApproval(decision) {
    return this.#unstuck(async () => {
      await this.page.locator(`[name="decision"][value="${decision}"]`).first().click();
      await this.page.locator('.approval .tag, [role="status"] p').first().waitFor();
    });
  }

  /** Opens a URL, and signs in on the way to `what`. */
  async #reach(url, what) {
    await this.page.goto(`${url}`);
    const password = this.page.locator('input[name="password"]');
    await what.or(password).first().waitFor();
    if (await password.isVisible()) await this.#signIn();
    await what.waitFor();
  }

  async #unstuck(steps) {
    try {
      return await steps();
    } catch (error) {
      throw new Error(`${error.message}\nThe person was stuck at ${this.page.url()}; screenshot: ${await this.#screenshot()}`, {
        cause: error,
      });
    }
  }

  async #signIn() {
    await this.page.locator('input[name="email"]').fill(this.demo.email);
    const password = this.page.locator('input[name="password"]');
    await password.fill(this.demo.password);
    await this.page.locator('form', { has: password }).locator('button[type="submit"]').click();
  }

  async #tick(untick) {
    for (const scope of untick) {
      await this.page.locator(`input[type="checkbox"][name="scope"][value="${scope}"]`).uncheck();
    }
    for (const connection of await this.page.locator('input[type="checkbox"][name="connection"]').all()) {
      await connection.check();
    }
  }

  async #screenshot() {
    const directory = SCREENSHOTS ?? (await mkdtemp(path.join(tmpdir(), 'portcullis-screenshots-')));
    await mkdir(directory, { recursive: true });
    const file = path.join(directory, `${Date.now()}-${process.pid}.png`);
    await this.page.screenshot({ path: file, fullPage: true }).catch(() => {});
    return file;
  }

  async standUp() {
    keep(...(await this.context.cookies()).map(({ value }) => value));
    await this.context.close();
  }
}
