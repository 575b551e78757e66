// A browser for the tests: one JSON request a line on standard input, one JSON answer a line.
//
// The system's Chromium, headless, with scripts switched off: the pages have to work without them.
// Only the rules for accessibility run in a page of their own, with scripts.
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import path from 'node:path';

const [tools, pictures, executablePath] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(tools), 'tools.js'));
const { chromium } = require('playwright-core');
const rules = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };
const SCHEMES = ['light', 'dark'];
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

mkdirSync(pictures, { recursive: true });
const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
const plain = await browser.newContext({ javaScriptEnabled: false, viewport: SIZES.desktop });
const asked = [];
const windows = new Map();
let page = await windowOf('first');

async function windowOf(name) {
  if (!windows.has(name)) {
    const opened = await plain.newPage();
    opened.on('request', (request) => asked.push(request.url()));
    windows.set(name, opened);
  }
  return windows.get(name);
}

const does = {
  // Goes on in the window of that name, which is opened if it is new.
  async window({ name }) {
    page = await windowOf(name);
    await page.bringToFront();
    return {};
  },
  async back() {
    const answer = await page.goBack();
    return { status: answer.status(), method: answer.request().method() };
  },
  async open({ url }) {
    asked.length = 0;
    const answer = await page.goto(url);
    return { status: answer.status(), headers: await answer.allHeaders(), asked: [...asked] };
  },
  async look() {
    return {
      url: page.url(),
      title: await page.title(),
      text: await page.locator('main').innerText(),
      source: await page.content(),
    };
  },
  async links() {
    const links = await page.locator('a').evaluateAll((all) => all.map((link) => link.href));
    return { links: links.map((link) => link.split('#')[0]) };
  },
  // What a person without a mouse does until something of that name has the focus.
  async tabTo({ name }) {
    const passed = [];
    for (let step = 0; step < 100; step += 1) {
      await page.keyboard.press('Tab');
      const focused = await page.locator(':focus').first();
      if (await focused.count() === 0) continue;
      const text = ((await focused.innerText()) || (await focused.getAttribute('name')) || '').trim();
      passed.push(text);
      if (text === name) return { passed };
    }
    throw new Error(`the keyboard does not reach ${name}, only ${passed.join(', ')}`);
  },
  async press({ key }) {
    await page.keyboard.press(key);
    return {};
  },
  async pressAndWait({ key }) {
    const [answer] = await Promise.all([
      page.waitForEvent('response', (response) => response.request().isNavigationRequest()),
      page.waitForEvent('load'),
      page.keyboard.press(key),
    ]);
    return { status: answer.status(), method: answer.request().method(), headers: await answer.request().allHeaders() };
  },
  async type({ text }) {
    await page.keyboard.type(text);
    return {};
  },
  // A page in each size and colour scheme, as files; and whether it can be scrolled sideways.
  async pictures({ name }) {
    const wide = [];
    for (const [size, viewport] of Object.entries(SIZES)) {
      for (const colorScheme of SCHEMES) {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme });
        await page.screenshot({ path: path.join(pictures, `${name}-${size}-${colorScheme}.png`), fullPage: true });
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        if (width > viewport.width) wide.push(`${size} ${colorScheme}: ${width}`);
      }
    }
    await page.setViewportSize(SIZES.desktop);
    return { wide };
  },
  // What breaks the rules of WCAG 2.2 AA in the page behind an address, in both colour schemes.
  async rules({ url }) {
    const broken = [];
    for (const colorScheme of SCHEMES) {
      const context = await browser.newContext({ colorScheme, viewport: SIZES.phone });
      const checked = await context.newPage();
      await checked.goto(url);
      await checked.evaluate(rules);
      const found = await checked.evaluate(
        (tags) => axe.run(document, { runOnly: tags, resultTypes: ['violations'] }), TAGS,
      );
      for (const { id, help, nodes } of found.violations) {
        broken.push(`${colorScheme}: ${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html).join(' | ')}`);
      }
      await context.close();
    }
    return { broken };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { what, ...arguments_ } = JSON.parse(line);
  let answer;
  try {
    answer = await does[what](arguments_);
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
