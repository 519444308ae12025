#!/usr/bin/env node
// Started by `latchkey serve --workers`, not by hand.
import { start } from './start.js';

await start('worker');
