import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { counting, preferred } from './language.ts';

describe('the language of a page', () => {
  it('is the first of the browser that there are texts in', () => {
    assert.deepEqual(preferred(['de-AT', 'fr-CA', 'en']), { language: 'fr', locale: 'fr-CA' });
    assert.deepEqual(preferred(['en-GB', 'fr']), { language: 'en', locale: 'en-GB' });
  });

  it('is English where there are texts in none of them', () => {
    assert.deepEqual(preferred(['de', 'french']), { language: 'en', locale: 'en' });
    assert.deepEqual(preferred([]), { language: 'en', locale: 'en' });
  });

  it('counts by its own rule', () => {
    const [en, fr] = [counting('en'), counting('fr')];
    assert.deepEqual(
      [0, 1, 2, 1_200].map((n) => en(n, 'event', 'events')),
      ['0 events', '1 event', '2 events', '1,200 events'],
    );
    assert.equal(fr(0, 'événement', 'événements'), '0 événement');
    assert.equal(fr(2, 'événement', 'événements'), '2 événements');
  });
});
