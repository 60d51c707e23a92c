// Draws pages in headless Chromium: draw.mjs CHROMIUM JOBS.json, where a job is {page, data, width, height, png, facts}.
import { readFile, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const [, , program, jobs] = process.argv;
const browser = await chromium.launch({
  executablePath: program,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--allow-file-access-from-files'],
});

// What a person sees of each panel: its words, what is cut off, what is broken, and where it lies.
function seen() {
  return [...document.querySelectorAll('.panel')].map((panel) => {
    const box = panel.getBoundingClientRect();
    const cut = [...panel.querySelectorAll('*')].filter((one) => one.children.length === 0 && one.textContent.trim()
      && (one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0 && getComputedStyle(one).overflow === 'hidden')).map((one) => one.textContent);
    return {
      id: Number(panel.dataset.id), title: panel.dataset.title, type: panel.dataset.type,
      words: [...panel.querySelectorAll('[data-word]')].map((one) => one.dataset.word),
      values: [...panel.querySelectorAll('[data-value]')].map((one) => one.dataset.value),
      empty: panel.querySelector('.nothing') !== null,
      broken: [...panel.querySelectorAll('.broken')].map((one) => one.textContent),
      text: panel.innerText, cut, box: [box.x, box.y, box.width, box.height].map(Math.round),
    };
  });
}

try {
  for (const job of JSON.parse(await readFile(jobs, 'utf8'))) {
    const page = await browser.newPage({ viewport: { width: job.width, height: job.height } });
    const faults = [];
    page.on('pageerror', (error) => faults.push(String(error)));
    await page.addInitScript(`window.LOOK = ${await readFile(job.data, 'utf8')};
      Object.assign(window.LOOK, ${JSON.stringify({ width: job.width, theme: job.theme })});`);
    await page.goto(pathToFileURL(job.page).href);
    await page.waitForSelector('body[data-drawn]', { timeout: 60_000 });
    await page.screenshot({ path: job.png, fullPage: job.whole });
    await writeFile(job.facts, JSON.stringify({ panels: await page.evaluate(seen), faults }));
    await page.close();
  }
} finally {
  await browser.close();
}
