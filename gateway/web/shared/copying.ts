/** Buttons that copy a code sample: `data-copies` names the element whose text is taken. */
import { byId, say } from './dom.ts';

interface CopyTexts {
  readonly copied: string;
  readonly selected: string;
}

/** `status` is told how it went. */
export function bindCopying(status: HTMLElement, t: CopyTexts): void {
  for (const button of document.querySelectorAll<HTMLElement>('[data-copies]'))
    button.addEventListener('click', () => void copy(byId(button.dataset.copies ?? '', HTMLElement), status, t));
}

async function copy(source: HTMLElement, status: HTMLElement, t: CopyTexts): Promise<void> {
  try {
    await navigator.clipboard.writeText(source.textContent ?? '');
    say(status, t.copied);
  } catch {
    // Browsers give the clipboard to pages over HTTPS and on localhost only.
    getSelection()?.selectAllChildren(source);
    say(status, t.selected);
  }
}
