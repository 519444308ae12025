/** Writes the reference pages that are made from the code; `--check` fails where one is not what the code says. */
import { readFileSync, writeFileSync } from 'node:fs';
import { ERROR_ABOUT, ERRORS, type ErrorCode } from '@latchkey/client';
import {
  describeGroups,
  describeKinds,
  describeSettings,
  type KindDescription,
  type SettingDescription,
} from '../server/src/config/describe.ts';
import { settingsJsonSchema } from '../server/src/config/json-schema.ts';
import { cliPage } from './cli-page.ts';
import { httpPage } from './http-page.ts';

const NOTE = '<!-- Made by `node --conditions=source scripts/docs.ts`; change the code, not this page. -->';

const FORMS: Readonly<Record<Exclude<SettingDescription['kind'], 'choice' | 'count'>, string>> = {
  text: 'text',

  bytes: 'size',
  duration: 'duration',

  flag: 'true or false',
  list: 'list',
  items: 'list of mappings',
};

function settingsPage(): string {
  const settings = describeSettings();
  const groups = describeGroups();
  const single = settings.filter(({ path }) => !path.includes('.'));
  const sections = groups.map((group) => {
    const own = settings.filter(({ path }) => path.startsWith(`${group.path}.`));
    return `## ${group.path}\n\n${group.about}\n\n${settingsTable(own)}`;
  });
  return `# Settings

${NOTE}

Every setting has a default; \`latchkey serve\` needs none. They come from five places, and later wins: presets, the file
\`latchkey.yaml\` of the directory where the server is started (or \`--config FILE\`), environment variables, flags. Mappings are
merged name by name, lists are replaced. Everything is checked before anything is opened, and every fault is told at once.
\`latchkey config show\` prints what is in effect and where each setting comes from, \`latchkey config check --connect\` also tries the
data directory and the port.

- **Durations** are text with a unit: \`500ms\`, \`15s\`, \`5m\`, \`24h\`, \`7d\`, \`2w\`. A bare number is refused, except 0.
- **Sizes** are bytes, or text with a unit: \`64KB\` is 64,000 bytes, \`64KiB\` is 65,536.
- **Variables** take lists and mappings as JSON (\`LATCHKEY_HTTP_CORS_ORIGINS='["https://example.org"]'\`,
  \`LATCHKEY_LIMITS='{"keyBytesMax":200}'\`). An empty variable is an unset one. A variable that begins with \`LATCHKEY_\` and is no
  setting is a fault. What Kubernetes injects for services (\`LATCHKEY_PORT=tcp://…\`, \`…_SERVICE_HOST\`) is ignored with a warning.
- **Secrets stand elsewhere**: \`file:/run/secrets/label\` is what that file holds, without the line feed at its end, and \`env:NAME\` what
  that variable holds, in any setting and in the items of lists. What a reference leads to is never printed, not in a fault either.
- **Flags** of \`latchkey serve\`: \`--host\`, \`--port\`, \`--data\`, \`--log\`, \`--resp\`, \`--workers\`, \`--preset\`, \`--insecure\`, \`--log-level\`,
  \`--log-format\`, \`--config\` (also \`LATCHKEY_CONFIG\`).

\`\`\`yaml
# yaml-language-server: $schema=latchkey.schema.json
http: { port: 8080, trustedHosts: [latchkey.example.org] }
data: /var/lib/latchkey
limits: { valueBytesMax: 256KiB }
tombstones: { ageMax: 14d }
\`\`\`

By the first line editors complete and check the file while it is written: \`latchkey config schema > latchkey.schema.json\` puts the
[JSON Schema](latchkey.schema.json) beside it.

${sections.join('\n\n')}

## Others

${settingsTable(single)}

## sources and sinks

Each item of \`sources\` and \`sinks\` is a mapping with its \`kind\`; \`LATCHKEY_SOURCES\` and \`LATCHKEY_SINKS\` take the whole list as JSON.

${describeKinds().map(kindSection).join('\n\n')}
`;
}

function kindSection({ about, name, path, settings }: KindDescription): string {
  const rows = settings.map(({ about: does, defaultText, kind, name: setting, takes }) => {
    const form = kind === 'choice' || kind === 'count' || kind === 'items' ? takes : FORMS[kind];
    const byDefault = defaultText === '' ? '' : `\`${cell(defaultText)}\``;
    return `| \`${setting}\` | ${cell(form)} | ${byDefault} | ${cell(does)} |`;
  });
  const table = ['| setting | takes | default | what it does |', '|---|---|---|---|', ...rows].join('\n');
  return `### ${path} kind ${name}\n\n${about}${rows.length === 0 ? ' It has no settings of its own.' : `\n\n${table}`}`;
}

function settingsTable(settings: readonly SettingDescription[]): string {
  const rows = settings.map(({ about, aliases, defaultText, kind, path, takes, variable }) => {
    const form = kind === 'choice' || kind === 'count' ? takes : FORMS[kind];
    const variables = [variable, ...aliases].map((name) => `\`${name}\``).join(', ');
    return `| \`${path}\` | ${cell(form)} | \`${cell(defaultText)}\` | ${cell(about)} | ${variables} |`;
  });
  return ['| setting | takes | default | what it does | variable |', '|---|---|---|---|---|', ...rows].join('\n');
}

function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { close, exit, retryable, status }]) =>
      `| <a id="${code}"></a>\`${code}\` | ${cell(ERROR_ABOUT[code as ErrorCode])} | ${status} | ${close} | ${exit} | ${retryable ? 'yes' : 'no'} |`,
  );
  return `# Errors

${NOTE}

Every refusal and every fault has one code, the same on every protocol and in the command line. Over HTTP it is the body
\`{"error":{"code":"value-too-big","message":"…","field":"value","limit":1048576,"requestId":"…"}}\`; on a WebSocket a frame
\`{"op":"error","id":…,"code":…}\`, or the reason of the close; in the command line one line on standard error (with \`--json\` the
same object) and the exit code. The message says what happened, where, with what value, and what to do next.

WebSocket close codes from 4000 to 4499 mean "come back", from 4500 "don't". Exit codes: 1 error, 2 usage or settings, 3 not found,
4 conflict, 5 unauthorised, 6 unavailable, 7 timeout.

| code | what it means | HTTP status | close code | exit code | try again |
|---|---|---|---|---|---|
${rows.join('\n')}
`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

/** Lists on one line, as the formatter of this repository has them. */
function schemaFile(): string {
  const text = JSON.stringify(settingsJsonSchema(), undefined, 2);
  return `${text.replace(/\[\n\s+([^[\]{}]*?)\n\s+\]/g, (_, items: string) => `[${items.replace(/\n\s+/g, ' ')}]`)}\n`;
}

const pages = {
  'docs/settings.md': settingsPage(),
  'docs/latchkey.schema.json': schemaFile(),
  'docs/errors.md': errorsPage(),
  'docs/cli.md': cliPage(NOTE),
  'docs/http.md': httpPage(NOTE),
};
const isCheck = process.argv.includes('--check');
for (const [path, text] of Object.entries(pages)) {
  const file = new URL(`../${path}`, import.meta.url);
  if (!isCheck) writeFileSync(file, text);
  else if (readIfThere(file) !== text) {
    console.error(`${path} is not what the code says; run: node --conditions=source scripts/docs.ts`);
    process.exitCode = 1;
  }
}

function readIfThere(file: URL): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
