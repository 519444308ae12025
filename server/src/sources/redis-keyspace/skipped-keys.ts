import type { Settings } from '../../config/settings.ts';
import type { Logger } from '../../shared/logger.ts';
import type { KeyFault } from './observation.ts';
import type { Selection } from './selection.ts';

const UNFIT = 'unfit';

/** Counts keys that can't be followed, and tells of them once for each pattern and reason: their names and values are nobody's business. */
export class SkippedKeys {
  readonly #source: string;
  readonly #selection: Selection;
  readonly #limits: Pick<Settings['limits'], 'keyBytesMax' | 'valueBytesMax'>;
  readonly #logger: Logger;
  /** At most one for each pattern and reason. */
  readonly #told = new Set<string>();
  #count = 0;

  constructor(
    source: string,
    selection: Selection,
    limits: Pick<Settings['limits'], 'keyBytesMax' | 'valueBytesMax'>,
    logger: Logger,
  ) {
    this.#source = source;
    this.#selection = selection;
    this.#limits = limits;
    this.#logger = logger;
  }

  /** How often one was met. */
  get count(): number {
    return this.#count;
  }

  add(redisKey: string, fault: KeyFault): void {
    const pattern = this.#selection.patternOf(redisKey);
    this.#tell(`${fault} ${pattern}`, `of ${pattern} ${this.#says(fault)}`);
  }

  /** A key that no entry can be called by. */
  addUnfit(): void {
    const { keyBytesMax } = this.#limits;
    this.#tell(UNFIT, `are no UTF-8, have control characters or are longer than limits.keyBytesMax (${keyBytesMax})`);
  }

  #says(fault: KeyFault): string {
    switch (fault) {
      case 'type':
        return 'hold a list, set or another type than string and hash, which is no value';
      case 'size':
        return `hold more than limits.valueBytesMax (${this.#limits.valueBytesMax} bytes); raise it`;
      case 'bytes':
        return 'are hashes with fields that are no UTF-8';
      case 'refused':
        return 'were refused by the log; see limits.storeBytesMax';
    }
  }

  #tell(what: string, says: string): void {
    this.#count += 1;
    if (this.#told.has(what)) return;
    this.#told.add(what);
    this.#logger.warn({ source: this.#source }, `source ${this.#source}: keys ${says}: they are not followed`);
  }
}
