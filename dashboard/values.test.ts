import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

// The page is plain JavaScript without declarations, so it is not imported by a name that the compiler follows.
const page = (name: string) => import(new URL(`./public/${name}.js`, import.meta.url).href);
const { contentOf, hexDump, keyOfChange, parseExact, previewText, sizeText, wholeText } = await page('values');
const { ageText, countingText, isStale } = await page('times');
const { compareKeys, isNewer } = await page('versions');
const { parseMetrics, sampleOf, totalsOf } = await page('measures');

describe('values', () => {
  const shown = (text: string) => previewText(contentOf(parseExact(text)), 300);

  test('are shown with the digits they were sent with, text as it is, nothing where there is none', () => {
    assert.equal(
      shown('{"key":"a","value":{"id":12345678901234567890,"one":1.0}}'),
      '{"id":12345678901234567890,"one":1.0}',
    );
    assert.equal(shown('{"key":"a","value":"a\\nb","contentType":"text/plain"}'), 'a\nb');
    assert.equal(shown('{"key":"a","value":"x"}'), '"x"');
    assert.equal(shown('{"key":"a","value":null}'), 'null');
    assert.equal(shown('{"key":"a"}'), '');
    assert.equal(shown('{"key":"a","value":"AB8=","encoding":"base64"}'), '2 B of bytes: 00 1f');
  });

  test('are previewed up to a length, however big and deep they are', () => {
    const wide = parseExact(`{"value":[${'[1],'.repeat(200_000)}"end"]}`);
    assert.equal(previewText(contentOf(wide), 20), '[[1],[1],[1],[1],[1]…');
    const deep = parseExact(`{"value":${'['.repeat(512)}${']'.repeat(512)}}`);
    assert.equal(previewText(contentOf(deep), 10), '[[[[[[[[[[…');
    assert.equal(previewText(contentOf({ value: 'x'.repeat(1_000_000) }), 5), '"xxxx…');
    assert.equal(wholeText(contentOf({ value: { a: [1] } })), '{\n  "a": [\n    1\n  ]\n}');
  });

  test('tell their key without being parsed, whatever it holds', () => {
    assert.equal(keyOfChange('{"op":"put","key":"a\\"b\\\\","value":1,"version":"a.1"}'), 'a"b\\');
    assert.equal(keyOfChange('{"key":"other order","op":"put"}'), 'other order');
  });

  test('bytes are dumped in rows of sixteen, up to a bound', () => {
    const dump = hexDump(new TextEncoder().encode('Latchkey keeps values'), 18);
    assert.equal(dump.split('\n').length, 2);
    assert.match(dump, /^000000 {2}4c 61 .* Latchkey keeps v\n000010 {2}61 6c +al$/);
    assert.deepEqual(
      [sizeText(0), sizeText(1023), sizeText(1536), sizeText(300 * 1024)],
      ['0 B', '1023 B', '1.5 KiB', '300 KiB'],
    );
  });
});

describe('moments', () => {
  const nowMs = Date.parse('2026-11-20T12:00:00Z');

  test('an entry is stale when that was said, or when its time is up', () => {
    assert.equal(isStale({ stale: true }, nowMs), true);
    assert.equal(isStale({ valid: '2026-11-20T11:59:59Z' }, nowMs), true);
    assert.equal(isStale({ valid: '2026-11-20T12:00:01Z' }, nowMs), false);
    assert.equal(isStale({}, nowMs), false);
  });

  test('ages are told in one unit, what counts before one’s eyes in two', () => {
    const ages = [0, 999, 1000, 59_999, 60_000, 3_600_000, 172_800_000].map((ms) =>
      ageText(new Date(nowMs - ms).toISOString(), nowMs),
    );
    assert.deepEqual(ages, ['now', 'now', '1 s', '59 s', '1 min', '1 h', '2 d']);
    assert.equal(ageText('2027-01-01T00:00:00Z', nowMs), 'now');
    assert.equal(ageText('nonsense', nowMs), '—');
    assert.deepEqual([5000, 192_000, 7_260_000].map(countingText), ['5 s', '3 min 12 s', '2 h 1 min']);
  });
});

test('versions are ordered by their offset over epochs and partitions, keys by code points', () => {
  assert.equal(isNewer('aaaa.10', 'aaaa.9'), true);
  assert.equal(isNewer('bbbb.10', 'aaaa.9'), true);
  assert.equal(isNewer('aaaa.3-9', 'aaaa.3-9'), false);
  assert.equal(isNewer('aaaa.1', undefined), true);
  const keys = ['b', '\u{1F50B}', 'a', 'aa', '\uFFEE', 'é'];
  const byBytes = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  assert.deepEqual([...keys].sort(compareKeys), byBytes);
});

test('metrics become rates, and a server that began anew has none for that moment', () => {
  const text = (head: number) =>
    `# HELP x\nlatchkey_log_head{partition="0"} ${head}\nlatchkey_log_head{partition="1",note="a\\"b"} 5\nlatchkey_view_keys 7\nlatchkey_source_lag_messages{source="ems"} 12\n`;
  assert.deepEqual(parseMetrics(text(1))[1], {
    name: 'latchkey_log_head',
    labels: { partition: '1', note: 'a\\"b' },
    value: 5,
  });
  const before = { totals: totalsOf(text(100)), atMs: 1000 };
  const sample = sampleOf(totalsOf(text(140)), before, 3000);
  assert.deepEqual([sample.changes, sample.keys, sample.lags], [20, 7, { ems: 12 }]);
  assert.equal(sampleOf(totalsOf(text(0)), before, 3000).changes, undefined);
});
