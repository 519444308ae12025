import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Filter, LatchkeyError } from '@latchkey/client';
import fc from 'fast-check';
import { compileGlob } from '../shared/glob.ts';
import { canonicalFilter, filterHash } from './canonical-filter.ts';
import { FilterIndex } from './filter-index.ts';

const limits = { filterTermsMax: 5, keyBytesMax: 16 };
const textOf = (filter: Filter) => canonicalFilter(filter, { ...limits, filterTermsMax: 100 }).text;

describe('canonicalFilter', () => {
  it('gives filters of the same meaning the same form', () => {
    const one = textOf({ keys: ['b', 'a', 'x.1'], prefixes: ['x.', 'x.y'], patterns: ['q.*', 'a\\b', 'x.*z'] });
    const other = textOf({ keys: ['ab', 'a', 'b', 'a'], prefixes: ['q.', 'x.'] });
    assert.equal(one, other);
    assert.equal(one, '[["a","ab","b"],["q.","x."],[]]');
  });

  it('takes no terms, an empty prefix and a lone star for everything', () => {
    for (const filter of [{}, { keys: [] }, { prefixes: [''], keys: ['a'] }, { patterns: ['**'] }]) {
      assert.equal(textOf(filter), '*');
    }
  });

  it('refuses what cannot be a filter, naming the term', () => {
    const refusals: [Filter, string, string][] = [
      [{ keys: ['a', 'b', 'c'], prefixes: ['d', 'e'], patterns: ['f'] }, 'filter-too-big', 'filter'],
      [{ keys: ['a', ''] }, 'key-invalid', 'keys[1]'],
      [{ keys: ['a\0'] }, 'key-invalid', 'keys[0]'],
      [{ keys: ['x'.repeat(17)] }, 'key-too-long', 'keys[0]'],
      [{ prefixes: ['\ud800'] }, 'key-invalid', 'prefixes[0]'],
      [{ patterns: [''] }, 'pattern-invalid', 'patterns[0]'],
      [{ patterns: ['*'.repeat(17)] }, 'pattern-invalid', 'patterns[0]'],
    ];
    for (const [filter, code, field] of refusals) {
      assert.throws(
        () => canonicalFilter(filter, limits),
        (error) => error instanceof LatchkeyError && error.code === code && error.details.field === field,
      );
    }
  });

  it('counts a pattern for all that has to be searched for between its stars, so that no filter holds up the server', () => {
    const roomy = { filterTermsMax: 5, keyBytesMax: 1024 };
    const refused = [['a*b*c*d*e*f*g*'], ['*[ab]*[ab]*[ab]*'], [`*${'?'.repeat(200)}*`], ['*a*b*c*', '*d*e*f*']];
    for (const patterns of refused) {
      assert.throws(
        () => canonicalFilter({ patterns }, roomy),
        (error) => error instanceof LatchkeyError && error.code === 'filter-too-big' && error.details.limit === 5,
        patterns.join(' '),
      );
    }
    for (const patterns of [
      ['a*b*c*d*e*f'],
      ['*?????x*'],
      ['[ab]??????????'],
      ['*abcdefgh*', 'a*', 'b*', 'c*', 'd*'],
    ]) {
      assert.deepEqual(canonicalFilter({ patterns }, roomy).isEverything, false, patterns.join(' '));
    }
  });

  it('hashes the filter and the grants to six characters', () => {
    const filter = canonicalFilter({ keys: ['a'] }, limits);
    assert.match(filterHash(filter, ''), /^[0-9a-z]{6}$/);
    assert.notEqual(filterHash(filter, ''), filterHash(filter, 'x'));
    assert.notEqual(filterHash(filter, ''), filterHash(canonicalFilter({ prefixes: ['a'] }, limits), ''));
  });
});

describe('FilterIndex', () => {
  const term = fc
    .array(fc.constantFrom('a', 'b', '.', '🔋'), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join(''));
  const pattern = fc.array(fc.constantFrom('a', 'b', '.', '*', '?', '[ab]', '🔋', '\\*'), {
    minLength: 1,
    maxLength: 5,
  });
  const filters = fc.record({
    keys: fc.array(term, { maxLength: 3 }),
    prefixes: fc.array(term, { maxLength: 2 }),
    patterns: fc.array(
      pattern.map((parts) => parts.join('')),
      { maxLength: 2 },
    ),
  });

  it('finds exactly those whose filter matches, and forgets those that were removed', () => {
    const roomy = { filterTermsMax: 100, keyBytesMax: 100 };
    fc.assert(
      fc.property(
        fc.array(filters, { maxLength: 8 }),
        fc.array(term, { maxLength: 10 }),
        fc.nat(),
        (list, keys, out) => {
          const index = new FilterIndex<number>();
          const forms = list.map((filter) => canonicalFilter(filter, roomy));
          forms.forEach((form, number) => {
            index.add(form, number);
          });
          const gone = list.length === 0 ? -1 : out % list.length;
          if (gone >= 0) index.remove(forms[gone] as never, gone);
          for (const key of keys) {
            const found: number[] = [];
            index.collect(key, found);
            const plain = list.flatMap((filter, number) =>
              number !== gone && matchesPlainly(filter, key) ? [number] : [],
            );
            assert.deepEqual([...new Set(found)].sort(), plain);
            assert.deepEqual(
              forms.flatMap((form, number) => (number !== gone && form.matches(key) ? [number] : [])),
              plain,
            );
          }
          forms.forEach((form, number) => {
            index.remove(form, number);
          });
          assert.ok(index.isEmpty);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('answers for one key among 10,000 single-key filters with that one alone', () => {
    const index = new FilterIndex<number>();
    const roomy = { filterTermsMax: 1, keyBytesMax: 100 };
    for (let number = 0; number < 10_000; number += 1)
      index.add(canonicalFilter({ keys: [`key.${number}`] }, roomy), number);
    const found: number[] = [];
    index.collect('key.4711', found);
    assert.deepEqual(found, [4711]);
  });

  it('finds a pattern by whatever text of it is fixed: at the start, at the end or between stars', () => {
    const index = new FilterIndex<string>();
    const patterns = [
      'a*',
      'ab*z',
      'a*.z',
      '*.z',
      '?.z',
      '*b.c*',
      '*b*',
      '*🔋*',
      '*[ab]*',
      '*?',
      '*b.c.d.e.f.g.h.i.j.k*',
    ];
    for (let number = 0; number < 100; number += 1) {
      for (const other of [`*.${number}`, `*.${number}.*`, `*${number}b.c*`, `x${number}*`]) patterns.push(other);
    }
    for (const pattern of patterns)
      index.add(canonicalFilter({ patterns: [pattern] }, { filterTermsMax: 100, keyBytesMax: 100 }), pattern);
    for (const key of [
      'a',
      '.z',
      'a.z',
      'ab.z',
      'ab.cb.c',
      'b.c.d.e.f.g.h.i.j.k',
      '🔋',
      'x7.7.7',
      'm.42b.c.99',
      '\ud83d',
    ]) {
      const found: string[] = [];
      index.collect(key, found);
      const wanted = patterns.filter((pattern) => compileGlob(pattern).matches(key));
      assert.deepEqual([...new Set(found)].sort(), wanted.sort(), key);
    }
  });
});

function matchesPlainly({ keys = [], patterns = [], prefixes = [] }: Filter, key: string): boolean {
  if (keys.length + patterns.length + prefixes.length === 0) return true;
  return (
    keys.includes(key) ||
    prefixes.some((prefix) => key.startsWith(prefix)) ||
    patterns.some((pattern) => compileGlob(pattern).matches(key))
  );
}
