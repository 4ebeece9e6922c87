// Opens the Control UI in headless Chromium and prints as one JSON object what the page showed and
// which of its files it loaded; then fetches each of them once more from both addresses.
//
// usage: node control_ui.cjs PAGE DIRECT SECRET PROFILE WANTED
//   PAGE     where the browser goes, as http://127.0.0.1:18889
//   DIRECT   the gateway itself, to compare its files with those of PAGE
//   SECRET   the token to log in with
//   PROFILE  an empty folder for the browser
//   WANTED   a regular expression that the page's text must match before it is left
'use strict';

const { createHash } = require('node:crypto');
const http = require('node:http');
const { chromium } = require('playwright-core');

const PATIENCE = 60_000;
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

async function visit(page, secret, profile, wanted) {
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: '/usr/bin/chromium',
    args: FLAGS,
  });
  try {
    const tab = browser.pages()[0] ?? (await browser.newPage());
    const paths = new Set();
    tab.on('response', (response) => {
      const url = new URL(response.url());
      if (url.origin === page && response.status() === 200) paths.add(url.pathname);
    });
    await tab.goto(`${page}/#token=${encodeURIComponent(secret)}`, { timeout: PATIENCE });
    const shown = (pattern) => new RegExp(pattern).test(document.body.innerText);
    let matched = true;
    try {
      await tab.waitForFunction(shown, wanted, { timeout: PATIENCE });
    } catch {
      matched = false;
    }
    const text = await tab.evaluate(() => document.body.innerText);
    const userAgent = await tab.evaluate(() => navigator.userAgent);
    // Leaving the page closes its socket with 1001 before the browser is gone.
    await tab.goto('about:blank');
    return { matched, text, userAgent, paths: [...paths].sort() };
  } finally {
    await browser.close();
  }
}

function fetchBytes(url) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent: false, timeout: PATIENCE }, (response) => {
      const hash = createHash('sha256');
      let bytes = 0;
      response.on('data', (chunk) => {
        hash.update(chunk);
        bytes += chunk.length;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode, bytes, sha256: hash.digest('hex') }),
      );
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error(`no answer: ${url}`)));
    request.on('error', reject);
  });
}

async function main() {
  const [page, direct, secret, profile, wanted] = process.argv.slice(2);
  const visited = await visit(page, secret, profile, wanted);
  const files = [];
  for (const path of visited.paths) {
    files.push({ path, tapped: await fetchBytes(page + path), direct: await fetchBytes(direct + path) });
  }
  console.log(JSON.stringify({ ...visited, files }));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
