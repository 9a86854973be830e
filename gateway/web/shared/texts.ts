/** The texts that every page has: its frame, the states of a connection, and errors. */
import { bilingual } from './language.ts';

export const texts = bilingual(
  {
    skip: 'Skip to the content',
    pages: 'Demos',
    echo: 'Echo',
    chat: 'Chat',
    events: 'Events',
    notifications: 'Notifications',
    monitoring: 'Monitoring',
    needsScript: 'This page needs JavaScript. The commands of the README work without it.',
    footer: 'Passerelle: publish and subscribe over WebSocket and Server-Sent Events, with exact resume',
    figures: 'Figures of this gateway',
    stats: 'Stats',
    metrics: 'Metrics',
    health: 'Health',

    connecting: 'Connecting',
    live: 'Live',
    reconnecting: 'Reconnecting',
    closed: 'Disconnected',
    refused: 'Refused',
    stateBecause: (state: string, reason: string) => `${state}: ${reason}`,

    copy: 'Copy',
    copied: 'Copied',
    selected: 'Selected: copy it with the keyboard',

    tooLong: 'That is longer than the gateway takes. Shorten it, and send it again.',

    /** What the gateway says of an error is a sentence for a person, in English. */
    said: (sentence: string) => sentence,
    gatewayError: (_code: string, sentence: string) => sentence,
  },
  {
    skip: 'Aller au contenu',
    pages: 'Démonstrations',
    echo: 'Écho',
    chat: 'Discussion',
    events: 'Événements',
    notifications: 'Notifications',
    monitoring: 'Supervision',
    needsScript: 'Cette page a besoin de JavaScript. Les commandes du README s’en passent.',
    footer: 'Passerelle\u00a0: publication et abonnement par WebSocket et Server-Sent Events, avec reprise exacte',
    figures: 'Chiffres de cette passerelle',
    stats: 'Statistiques',
    metrics: 'Métriques',
    health: 'Santé',

    connecting: 'Connexion…',
    live: 'En direct',
    reconnecting: 'Reconnexion…',
    closed: 'Déconnecté',
    refused: 'Refusé',
    stateBecause: (state, reason) => `${state}\u00a0: ${reason}`,

    copy: 'Copier',
    copied: 'Copié',
    selected: 'Sélectionné\u00a0: copiez avec le clavier',

    tooLong: 'C’est plus long que ce que la passerelle accepte. Raccourcissez, puis envoyez de nouveau.',

    said: quoted,
    gatewayError: (code, sentence) => {
      const known = FRENCH_ERRORS.get(code);
      return known === undefined ? quoted(sentence) : `${known} (${quoted(sentence)})`;
    },
  },
);

/** By the codes of the protocol. */
const FRENCH_ERRORS: ReadonlyMap<string, string> = new Map([
  ['bad_request', 'La demande n’est pas valable'],
  ['unauthorized', 'Un jeton valable est nécessaire'],
  ['forbidden', 'Cela n’est pas permis'],
  ['name_taken', 'Ce nom est déjà pris'],
  ['too_large', 'C’est trop volumineux'],
  ['too_many', 'La limite est dépassée'],
  ['server_full', 'La passerelle est pleine'],
  ['unavailable', 'Redis est injoignable pour le moment'],
  ['slow_consumer', 'Cette connexion n’a pas lu assez vite'],
]);

function quoted(sentence: string): string {
  return sentence === '' ? '' : `«\u00a0${sentence}\u00a0»`;
}
