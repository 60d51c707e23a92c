// Draws pages in headless Chromium: draw.mjs CHROMIUM JOBS.json, where a job is {page, data, width, height, png, facts}.
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
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
    const texts = [...panel.querySelectorAll('*')].filter((one) => one.children.length === 0 && one.textContent.trim());
    const place = document.createRange();
    const cut = texts.filter((one) => {
      place.selectNodeContents(one);
      const text = place.getBoundingClientRect();
      if (one.closest('[data-word]:not([data-row])')) {
        const tile = one.closest('[data-word]').getBoundingClientRect();
        if (text.top < tile.top - 1 || text.bottom > tile.bottom + 1 || text.right > tile.right + 1) return true;
      }
      // Rows of a table may go on below; what a legend has to say should be there at once.
      const down = panel.dataset.type === 'timeseries';
      for (let around = one; around !== panel.parentElement; around = around.parentElement) {
        if (getComputedStyle(around).overflowX === 'visible') continue;
        const seen = around.getBoundingClientRect();
        if (text.right > seen.right + 1 || text.left < seen.left - 1 || (down && text.bottom > seen.bottom + 1)) return true;
      }
      return false;
    }).map((one) => one.textContent);
    return {
      id: Number(panel.dataset.id), title: panel.dataset.title, type: panel.dataset.type,
      words: [...panel.querySelectorAll('[data-word]')].map((one) => one.dataset.word),
      values: [...panel.querySelectorAll('[data-value]')].map((one) => one.dataset.value),
      latest: Object.fromEntries(JSON.parse(panel.querySelector('[data-latest]')?.dataset.latest ?? '[]')),
      rows: Object.fromEntries([...panel.querySelectorAll('[data-row]')].map((one) => [one.dataset.row, one.dataset.word])),
      refused: panel.dataset.refused ?? '',
      empty: panel.querySelector('.nothing') !== null,
      broken: [...panel.querySelectorAll('.broken')].map((one) => one.textContent),
      text: panel.innerText, cut, box: [box.x, box.y, box.width, box.height].map(Math.round),
    };
  });
}

// One page draws one picture after the other: what it loads, it loads once.
async function drawing(jobs) {
  let page, loaded;
  for (let job = jobs.shift(); job; job = jobs.shift()) {
    if (loaded !== job.locale) {
      await page?.context().close();
      const context = await browser.newContext({ locale: job.locale });
      context.setDefaultTimeout(0); // on a busy machine a picture takes minutes; who started us knows when it hangs
      page = await context.newPage();
      await page.goto(pathToFileURL(job.page).href);
      loaded = job.locale;
    }
    const faults = [];
    const noticed = (error) => faults.push(String(error));
    page.on('pageerror', noticed);
    await page.setViewportSize({ width: job.width, height: job.height });
    const look = JSON.parse(await readFile(job.data, 'utf8'));
    await page.evaluate((one) => window.draw(one), { ...look, width: job.width, theme: job.theme });
    await page.screenshot({ path: job.png, fullPage: job.whole });
    await writeFile(job.facts, JSON.stringify({ panels: await page.evaluate(seen), faults }));
    page.off('pageerror', noticed);
  }
}

try {
  const waiting = JSON.parse(await readFile(jobs, 'utf8'));
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), 4) }, () => drawing(waiting)));
} finally {
  await browser.close();
}
