import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { withBlock } from './page.ts';

describe('the page of figures', () => {
  test('takes new output in place of the old, and keeps everything around it', () => {
    const page = 'before\n<!-- table -->\nold\n<!-- /table -->\nafter\n';
    const once = withBlock(page, 'table', 'npm run bench', 'new $1');
    assert.equal(once, 'before\n<!-- table -->\n```\n$ npm run bench\nnew $1\n```\n<!-- /table -->\nafter\n');
    assert.equal(withBlock(once, 'table', 'npm run bench', 'new $1'), once);
  });

  test('that lost its marks says which to put back', () => {
    assert.throws(() => withBlock('nothing', 'table', 'a', 'b'), /<!-- table -->/);
  });
});
