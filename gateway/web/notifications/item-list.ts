/** The list of notifications. Owns its elements; one that stays keeps its element, and so the focus that may be in it. */
import { byId, element } from '../shared/dom.ts';
import type { Format } from '../shared/format.ts';
import type { Notification } from './frames.ts';
import type { Inbox } from './inbox.ts';
import type { NotificationTexts } from './texts.ts';

const OWN_PREFIX = 'notify:@';

interface Row {
  readonly element: HTMLElement;
  readonly readButton: HTMLElement;
}

export class ItemList {
  readonly #list = byId('items', HTMLElement);
  readonly #t: NotificationTexts;
  readonly #format: Format;
  readonly #read: (upTo: Notification) => void;
  #rows = new Map<Notification, Row>();

  /** `read`: the reader has read up to this one. */
  constructor(t: NotificationTexts, format: Format, read: (upTo: Notification) => void) {
    this.#t = t;
    this.#format = format;
    this.#read = read;
  }

  draw({ items, unread }: Inbox): void {
    const rows = new Map<Notification, Row>();
    let place = this.#list.firstElementChild;
    for (const [index, item] of items.entries()) {
      const row = this.#rows.get(item) ?? this.#row(item);
      rows.set(item, row);
      row.element.classList.toggle('unread', index < unread);
      row.readButton.hidden = index >= unread;
      if (row.element === place) place = place.nextElementSibling;
      else this.#list.insertBefore(row.element, place);
    }
    for (const [item, { element: gone }] of this.#rows) if (!rows.has(item)) gone.remove();
    this.#rows = rows;
  }

  #row(item: Notification): Row {
    const t = this.#t;
    const row = element('li', 'note');
    const at = new Date(item.timestamp);
    const time = element('time', '', this.#format.when(at, new Date()));
    time.dateTime = item.timestamp;
    const about = element('span', 'about');
    const { channel } = item;
    const to = channel.startsWith(OWN_PREFIX) ? t.toUser(channel.slice(OWN_PREFIX.length)) : t.toAll;
    about.append(`${to} · `, time);
    const priority = element('span', `priority ${item.priority}`, t[item.priority]);
    const readButton = element('button', 'small', t.readUpTo);
    readButton.type = 'button';
    readButton.addEventListener('click', () => {
      this.#list.focus(); // the button is about to go
      this.#read(item);
    });
    row.append(element('h3', '', item.title), priority, about, element('p', '', item.message), readButton);
    return { element: row, readButton };
  }
}
