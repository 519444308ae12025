import type { Command } from 'commander';
import type { ExportOptions } from './export.ts';
import type { ImportOptions } from './import/import.ts';
import { collect, examples } from './option-parts.ts';

/** The commands that move many entries. */
export function addBulk(program: Command): void {
  addImport(program);
  program
    .command('export')
    .description('write entries as NDJSON, which import takes again')
    .argument('[file]', 'written whole or not at all; - or nothing is standard output')
    .option('--prefix <prefix>', 'only keys that begin so')
    .option('--pattern <glob>', 'only keys that match')
    .addHelpText(
      'after',
      examples(
        'latchkey export entries.ndjson',
        "latchkey export --pattern 'battery:*' | gzip > batteries.ndjson.gz",
        'latchkey export --server http://old:23333 | latchkey import - --server http://new:23333',
      ),
    )
    .action(async (file: string | undefined, _options: object, command: Command) => {
      const { runExport } = await import('./export.ts');
      await runExport(file, command.optsWithGlobals<ExportOptions>());
    });
}

function addImport(program: Command): void {
  program
    .command('import')
    .description(
      'take every row of a file once: NDJSON, JSON or CSV, also compressed by gzip; repeat it after a crash to go on',
    )
    .argument('<file>', 'a file, or - for standard input')
    .option('--format <format>', 'ndjson, json or csv (default: by name and content)')
    .option('--key <template>', "the key of a plain row, e.g. 'sensor:{id}'; without it rows are commands or entries")
    .option(
      '--map <field>',
      'NEW=FIELD:TYPE renames and converts a field; types: string, number, boolean, json (repeatable)',
      collect,
    )
    .option('--only', 'leave out fields that no --map names')
    .option('--omit <field>', 'leave a field out of the value (repeatable)', collect)
    .option('--value <field>', 'this field alone is the value')
    .option('--updated <field>', 'the field that says when the row was true (RFC 3339)')
    .option('--valid <field>', 'the field that says until when it is')
    .option('--ttl <seconds>', 'every entry expires after so many seconds')
    .option('--merge', 'change the fields that a row has, instead of the whole value')
    .option('--delimiter <character>', 'of CSV (default: the one of , ; and tab that the first line has most of)')
    .option('--name <source>', 'the source whose progress is kept (default: by the file, its size and time)')
    .option('--restart', 'take a file again from its beginning')
    .option('--rejects <file>', 'where refused rows go (default FILE.rejected.ndjson)')
    .option('--wait <duration>', 'how long a server may be away', '60s')
    .addHelpText(
      'after',
      `${examples(
        'latchkey import entries.ndjson                          # what export wrote, or commands',
        "latchkey import sensors.csv --key 'sensor:{id}' --map temp=temperature:number --omit id",
        "zcat events.ndjson.gz | latchkey import - --key 'e:{id}' --name events   # repeat it whole to go on",
      )}

Exit codes: 0 every row was taken, 1 some were refused (the reject file says why), 4 something else moves the source,
6 the server was away for longer than --wait; the same command goes on.`,
    )
    .action(async (file: string, _options: object, command: Command) => {
      const { runImport } = await import('./import/import.ts');
      await runImport(file, command.optsWithGlobals<ImportOptions>());
    });
}
