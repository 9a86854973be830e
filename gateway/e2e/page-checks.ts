/**
 * What can be asked of any page: what has no name, what the keyboard does not reach, what a canvas shows. What runs in the page sees
 * nothing of this module, and some of it is text: the gateway is compiled without a browser's types.
 */
import type { Locator, Page } from 'playwright-core';

/** More than any page has to focus. */
const MAX_PRESSES = 200;
const NAMELESS = /^\s*- (textbox|button|link|combobox|radio|img|heading|navigation|region)(?! ")( \[.*\])?(:.*)?$/;

/** What a screen reader finds without a name, as lines of the page's accessibility tree. */
export async function nameless(page: Page): Promise<readonly string[]> {
  const tree = await page.locator('body').ariaSnapshot();
  return tree.split('\n').filter((line) => NAMELESS.test(line));
}

/** Presses Tab until the focus has been everywhere, and returns what it has never been in, as the beginnings of tags. */
export async function outOfReach(page: Page): Promise<readonly string[]> {
  await page.evaluate('globalThis.reached = new Set()');
  for (let presses = 0; presses < MAX_PRESSES; presses++) {
    await page.keyboard.press('Tab');
    const again = await page.evaluate(`(() => {
      const focused = document.activeElement;
      if (focused === document.body) return false;
      const again = reached.has(focused);
      reached.add(focused);
      return again;
    })()`);
    if (again === true) break;
  }
  return await page.evaluate(`
    [...document.querySelectorAll('a, button, input, textarea, select, summary, [tabindex="0"]')]
      .filter((each) => each.checkVisibility() && !each.disabled && !reached.has(each))
      .filter((each) => each.type !== 'radio' || each.checked) // the arrows lead to the others
      .map((each) => each.outerHTML.slice(0, 80))
  `);
}

/** The placeholders whose contrast is below what WCAG asks of text, by the ids of their fields. */
export async function palePlaceholders(page: Page): Promise<readonly string[]> {
  return await page.evaluate(`(() => {
    const light = (colour) => {
      const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => part / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    };
    return [...document.querySelectorAll('[placeholder]')]
      .filter((field) => {
        const [text, ground] = [getComputedStyle(field, '::placeholder').color, getComputedStyle(field).backgroundColor].map(light);
        return Math.max(text, ground) / Math.min(text, ground) < 4.5;
      })
      .map(({ id }) => id);
  })()`);
}

/** Whether anything on the canvas has a colour, as lines have, and not a grey. */
export async function hasColour(canvas: Locator): Promise<boolean> {
  return await canvas.evaluate((element) => {
    const canvas = element as unknown as Canvas;
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
      const rgb = data.slice(i, i + 3);
      if ((data[i + 3] ?? 0) > 200 && Math.max(...rgb) - Math.min(...rgb) > 80) return true;
    }
    return false;
  });
}

/** The picture as text, to be compared. */
export async function picture(canvas: Locator): Promise<string> {
  return await canvas.evaluate((element) => (element as unknown as Canvas).toDataURL());
}

/** The little of a browser's canvas that is used above. */
interface Canvas {
  readonly width: number;
  readonly height: number;
  getContext(kind: '2d'): { getImageData(x: number, y: number, width: number, height: number): { data: Uint8Array } };
  toDataURL(): string;
}
