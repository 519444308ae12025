/** `docs/http.md`: every operation of `/openapi.json`, and the shapes of its bodies. */
import { openApiDocument } from '../server/src/gateways/openapi.ts';

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly format?: string;
  readonly description?: string;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema;
}

type Content = Readonly<Record<string, { readonly schema?: Schema }>>;

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly description: string;
  readonly required?: boolean;
  readonly schema: Schema;
}

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Content };
  readonly responses: Readonly<
    Record<
      string,
      { readonly description: string; readonly content?: Content; readonly headers?: Readonly<Record<string, unknown>> }
    >
  >;
}

type PathItem = Readonly<Record<string, Operation | readonly Parameter[]>>;

const METHODS = ['get', 'put', 'post', 'patch', 'delete'];

function oneLine(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function formOf(schema: Schema | undefined): string {
  if (schema === undefined) return 'anything';
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1) as string;
    return `[${name}](#${name.toLowerCase()})`;
  }
  const choices = schema.oneOf ?? schema.allOf;
  if (choices !== undefined) return choices.map(formOf).join(schema.oneOf === undefined ? ' and ' : ' or ');
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(', ');
  if (schema.type === 'array') return `list of ${formOf(schema.items)}`;
  if (schema.type === undefined) return 'anything';
  if (schema.format === 'date-time') return 'time, RFC 3339';
  return [schema.type].flat().join(' or ') + bounds(schema);
}

function bounds({ default: usual, maximum, minimum }: Schema): string {
  const parts = [
    minimum === undefined || maximum === undefined ? '' : ` from ${minimum} to ${maximum}`,
    usual === undefined ? '' : `; default ${JSON.stringify(usual)}`,
  ];
  return parts.join('');
}

function contentOf(content: Content | undefined): string {
  if (content === undefined) return '';
  return Object.entries(content)
    .map(([type, { schema }]) => `\`${type}\`${schema === undefined ? '' : `: ${formOf(schema)}`}`)
    .join('<br>');
}

function parametersTable(parameters: readonly Parameter[]): string {
  const rows = parameters.map(
    ({ description, in: where, name, required, schema }) =>
      `| \`${name}\` | ${where}${required === true && where !== 'path' ? ', required' : ''} | ${oneLine(formOf(schema))} | ${oneLine(description)} |`,
  );
  return ['| parameter | in | takes | what it does |', '|---|---|---|---|', ...rows].join('\n');
}

function answersTable({ responses }: Operation): string {
  const rows = Object.entries(responses)
    .filter(([status]) => status !== 'default')
    .map(([status, { content, description, headers }]) => {
      const names = Object.keys(headers ?? {}).map((name) => `\`${name}\``);
      return `| ${status} | ${oneLine(description)} | ${oneLine(contentOf(content))} | ${names.join(', ')} |`;
    });
  return ['| status | means | body | headers |', '|---|---|---|---|', ...rows].join('\n');
}

function operationSection(route: string, method: string, of: Operation, shared: readonly Parameter[]): string {
  const parameters = [...shared, ...(of.parameters ?? [])];
  return [
    `### <a id="${of.operationId.toLowerCase()}"></a>\`${method.toUpperCase()} ${route}\``,
    `${of.summary}.${of.description === undefined ? '' : ` ${of.description}`}`,
    ...(parameters.length === 0 ? [] : [parametersTable(parameters)]),
    ...(of.requestBody === undefined
      ? []
      : [`Body: ${contentOf(of.requestBody.content).replaceAll('<br>', ', or ')}.`]),
    answersTable(of),
  ].join('\n\n');
}

/** Fields of an object inside stand beside the others, with their path. */
function fieldRows({ properties, required }: Schema, before = ''): readonly string[] {
  return Object.entries(properties ?? {}).flatMap(([name, schema]) => {
    const inner = fieldRows(schema, `${before}${name}.`);
    if (inner.length > 0) return inner;
    const about = schema.description === undefined ? '' : oneLine(schema.description);
    const isThere = required?.includes(name) === true ? 'always' : '';
    return [`| \`${before}${name}\` | ${isThere} | ${oneLine(formOf(schema))} | ${about} |`];
  });
}

function fieldsTable(schema: Schema): string {
  return ['| field | there | form | |', '|---|---|---|---|', ...fieldRows(schema)].join('\n');
}

function shapeSection(name: string, schema: Schema): string {
  const variants = schema.oneOf ?? [schema];
  return [`### ${name}`, ...variants.map(fieldsTable)].join('\n\n');
}

export function httpPage(note: string): string {
  const document = openApiDocument('') as unknown as {
    readonly paths: Readonly<Record<string, PathItem>>;
    readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
  };
  const found = Object.entries(document.paths).flatMap(([route, item]) =>
    METHODS.filter((method) => method in item).map((method) => ({
      route,
      method,
      shared: (item.parameters ?? []) as readonly Parameter[],
      operation: item[method] as Operation,
    })),
  );
  const contents = found.map(
    ({ method, operation, route }) =>
      `| [\`${method.toUpperCase()} ${route}\`](#${operation.operationId.toLowerCase()}) | ${oneLine(operation.summary)} |`,
  );
  return `# HTTP

${note}

Every route of the one listener. A running server describes the same as OpenAPI 3.1 at \`/openapi.json\`. What a watch sends is in
[live.md](live.md).

- Every operation may also answer with an [Error](#error); the codes are in [errors.md](errors.md).
- A query parameter that a route does not take is refused with \`unknown-field\`, not ignored.
- A key in a path is the rest of the path, percent-decoded once: \`/v1/keys/a/b\` is the key \`a/b\`.

| route | what it does |
|---|---|
${contents.join('\n')}

## Routes

${found.map(({ method, operation, route, shared }) => operationSection(route, method, operation, shared)).join('\n\n')}

## Shapes

Fields that do not apply are left out. A field is \`always\` there where the middle column says so.

${Object.entries(document.components.schemas)
  .map(([name, schema]) => shapeSection(name, schema))
  .join('\n\n')}
`;
}
