import { httpRequest, KEYS } from './load.ts';

/** Requests of a few puts each, whose values carry the number of the put: who reads them can tell what is missing. */
export class NumberedPuts {
  readonly #prefix: string;
  readonly #perRequest: number;
  sent = 0;

  constructor(prefix: string, perRequest: number) {
    this.#prefix = prefix;
    this.#perRequest = perRequest;
  }

  readonly request = (): Buffer => {
    const lines = Array.from({ length: this.#perRequest }, () => this.#line());
    return httpRequest('POST', '/v1/commands', 'application/x-ndjson', lines.join(''));
  };

  key(number: number): string {
    return `${this.#prefix}${number % KEYS}`;
  }

  #line(): string {
    this.sent += 1;
    return `{"op":"put","key":"${this.key(this.sent)}","value":{"n":${this.sent},"text":"${'x'.repeat(170)}"}}\n`;
  }
}
