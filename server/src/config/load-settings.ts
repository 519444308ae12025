import { resolve } from 'node:path';
import { LatchkeyError, quote } from '@latchkey/client';
import { isLoopback } from '../shared/loopback.ts';
import { listenAddressOf } from '../shared/running-server.ts';
import { describeGroups, describeSettings, takesAt } from './describe.ts';
import type { Environment } from './environment.ts';
import { configInvalid, type Fault, shown } from './fault.ts';
import { flowFaults } from './flow-faults.ts';
import { loopFaults, ownPortFaults } from './flow-loops.ts';
import { refuseLater } from './later.ts';
import { emptyTree, isTree, type Layer, mergeLayers, setPath, type Tree } from './layer.ts';
import { PRESETS } from './presets.ts';
import { followReferences } from './references.ts';
import { settingsSchema } from './schema.ts';
import { isPythonFile, type ReadSeedSettings, readSeedSettings } from './seed-settings.ts';
import type { Settings } from './settings.ts';
import { fromText, readEnvironment } from './settings-environment.ts';
import { readSettingsFile } from './settings-file.ts';
import { didYouMean } from './suggestion.ts';

/** The flags of `latchkey serve`, as typed. */
export interface Flags {
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly data?: string | undefined;
  readonly log?: string | undefined;
  readonly workers?: string | undefined;
  readonly preset?: readonly string[] | undefined;
  readonly resp?: string | undefined;
  readonly insecure?: boolean | undefined;
  readonly logLevel?: string | undefined;
  readonly logFormat?: string | undefined;
}

export interface Places {
  readonly flags?: Flags;
  readonly environment?: Environment;
  /** `--config`; without it `latchkey.yaml` of `cwd` is read if it exists. */
  readonly file?: string | undefined;
  readonly cwd: string;
}

export interface LoadedSettings {
  readonly settings: Settings;
  /** For the log, once there is one. */
  readonly warnings: readonly string[];
  /** Paths that something other than a preset or a default has set. */
  readonly given: ReadonlySet<string>;
  /** What was said, as it was said, presets included: references are not followed in it. */
  readonly said: Layer;
  /** Settings that stand in a variable or a file, with the reference. */
  readonly references: ReadonlyMap<string, string>;
}

/**
 * Settings from presets, file, environment and flags; later wins. `data` results absolute.
 * @throws LatchkeyError `config-invalid` with every fault at once, `insecure-listen`
 */
export function loadSettings({ flags = {}, environment = {}, file, cwd }: Places): LoadedSettings {
  // KVUpdater's file is no latchkey.yaml, and may stand beside one.
  const fromFile = readSettingsFile(cwd, isPythonFile(file) ? undefined : file);
  const fromEnvironment = readEnvironment(environment);
  const said = [...(fromFile === undefined ? [] : [fromFile]), fromEnvironment, readFlags(flags)];
  const asked = mergeLayers(said);
  const presets = presetNames(asked.tree);
  const seed = readSeedSettings({ presets, environment, file, cwd });
  const isAlone = seed.urlOrigin === undefined && isWithoutRedis(asked.tree);
  const { log } = asked.tree;
  const layers = [...presetLayers(presets, { ...seed, isAlone, log: isTree(log) ? log : undefined }), asked];
  const { tree, origins } = mergeLayers(layers);
  const faults: Fault[] = [...fromEnvironment.faults, ...seed.faults];
  const note = (fault: Fault) => faults.push({ origin: originOf(fault.path, origins), ...fault });
  for (const fault of refuseLater(tree)) note(fault);
  const references = followReferences(tree, environment, cwd, readText);
  for (const fault of references.faults) note(fault);
  const dangling = new Set(references.faults.map(({ path }) => path));
  const parsed = settingsSchema.safeParse(tree);
  if (!parsed.success)
    for (const fault of parsed.error.issues.flatMap((issue) => describeIssue(issue, tree, references.at))) {
      // What is wrong with the reference itself was said.
      if (!dangling.has(fault.path)) note(fault);
    }
  else for (const fault of crossFaults(parsed.data)) note(fault);
  if (faults.length > 0) throw configInvalid(faults);
  const settings = { ...(parsed.data as Settings), data: resolve(cwd, (parsed.data as Settings).data) };
  refuseOpenListening(settings);
  return {
    settings,
    warnings: [...fromEnvironment.warnings, ...seed.warnings],
    given: new Set(asked.origins.keys()),
    said: mergeLayers(layers),
    references: references.at,
  };
}

/** A number or a switch that came as text, from a variable or a file. */
function readText(path: string, text: string): unknown {
  const setting = describeSettings().find((one) => one.path === path);
  return setting === undefined ? text : fromText(setting, path, text);
}

function readFlags(flags: Flags): Layer {
  const tree = emptyTree();
  const origins = new Map<string, string>();
  const put = (path: string, flag: string, value: unknown) => {
    if (value === undefined) return;
    setPath(tree, path, value);
    origins.set(path, flag);
  };
  put('http.host', '--host', flags.host);
  put('http.port', '--port', numberOf(flags.port));
  put('data', '--data', flags.data);
  const logUrl = /^rediss?:\/\//.test(flags.log ?? '') ? flags.log : undefined;
  put('log.kind', '--log', logUrl === undefined ? flags.log : 'redis');
  put('log.url', '--log', logUrl);
  put('workers', '--workers', numberOf(flags.workers));
  put('resp.listen', '--resp', flags.resp);
  put('presets', '--preset', flags.preset);
  put('insecure', '--insecure', flags.insecure);
  put('logLevel', '--log-level', flags.logLevel);
  put('logFormat', '--log-format', flags.logFormat);
  if (flags.resp !== undefined) origins.set('resp', '--resp');
  return { tree, origins };
}

/** What is no number is told as it was typed. */
function numberOf(typed: string | undefined): string | number | undefined {
  return typed === undefined || !/^[0-9]+$/.test(typed) ? typed : Number(typed);
}

function presetNames(tree: Tree): string[] {
  return Array.isArray(tree.presets) ? tree.presets.filter((name): name is string => typeof name === 'string') : [];
}

/** `--log local --resp HOST:PORT`, in whatever form. */
function isWithoutRedis(tree: Tree): boolean {
  const listen = valueAt(tree, ['resp', 'listen']);
  return valueAt(tree, ['log', 'kind']) === 'local' && typeof listen === 'string' && listen !== '';
}

function presetLayers(names: readonly string[], seed: ReadSeedSettings): Layer[] {
  return names.map((name) => {
    const preset = Object.hasOwn(PRESETS, name) ? (PRESETS[name] as (typeof PRESETS)[string])(seed) : {};
    const origins = new Map(Object.keys(preset).map((path) => [path, `preset ${name}`]));
    if (preset.log !== undefined && seed.urlOrigin !== undefined) origins.set('log.url', seed.urlOrigin);
    return { tree: preset, origins };
  });
}

/** Where a value was set: its own place, or the nearest mapping around it. */
export function originOf(path: string, origins: ReadonlyMap<string, string>): string | undefined {
  for (let at = path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) {
    const origin = origins.get(at);
    if (origin !== undefined) return origin;
  }
  return undefined;
}

type Issue = NonNullable<ReturnType<typeof settingsSchema.safeParse>['error']>['issues'][number];

function describeIssue(issue: Issue, tree: Tree, references: ReadonlyMap<string, string>): Fault[] {
  const path = pathOf(issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const full = path === '' ? key : `${path}.${key}`;
      return { path: full, says: `is not a setting.${suggestPath(full, issue.path, tree)}` };
    });
  }
  const reference = references.get(path);
  if (issue.code === 'custom' && issue.params?.whole === true && reference === undefined) {
    return [{ path, says: issue.message }];
  }
  const takes = takesOf(issue, tree);
  if (reference !== undefined) return [{ path, says: `takes ${takes}, which is not what ${reference} holds` }];
  return [{ path, says: `takes ${takes}, but got ${shown(path, valueAt(tree, issue.path))}` }];
}

function takesOf({ code, path }: Issue, tree: Tree): string {
  // A kind that there is not: it is told by the mapping that it is of.
  if (code === 'invalid_union' && path.at(-1) === 'kind')
    return takesAt(path.slice(0, -1), tree)?.replace('a mapping whose kind is ', '') ?? 'another kind';
  return takesAt(path, tree) ?? takesAt(path.slice(0, -1), tree) ?? 'something else';
}

/** `sources[0].channels`; the place in a list of texts is left out, which the value tells as well. */
function pathOf(steps: readonly PropertyKey[]): string {
  return steps.reduce<string>((path, step, index) => {
    if (typeof step === 'number') return index === steps.length - 1 && index !== 1 ? path : `${path}[${step}]`;
    return path === '' ? String(step) : `${path}.${String(step)}`;
  }, '');
}

function valueAt(tree: Tree, steps: readonly PropertyKey[]): unknown {
  return steps.reduce<unknown>((value, step) => (value as Record<PropertyKey, unknown> | undefined)?.[step], tree);
}

/** A misspelt name is looked for beside its siblings first, then everywhere by its last word. */
function suggestPath(path: string, within: readonly PropertyKey[], tree: Tree): string {
  if (within.length > 1 && typeof within[1] === 'number') {
    const siblings = takesAt(within, tree)?.replace('a mapping of ', '').split(', ') ?? [];
    return didYouMean(path.slice(path.lastIndexOf('.') + 1), siblings);
  }
  const known = [...describeSettings(), ...describeGroups()].map((one) => one.path);
  const near = didYouMean(path, known);
  if (near !== '') return near;
  const last = path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  const same = known.find((one) => one.slice(one.lastIndexOf('.') + 1).toLowerCase() === last);
  return same === undefined ? '' : ` Did you mean ${same}?`;
}

/** What no single setting can tell. */
function crossFaults(settings: Settings): Fault[] {
  const { limits, log, workers } = settings;
  const faults = [...flowFaults(settings), ...loopFaults(settings), ...ownPortFaults(settings)];
  if (limits.valueBytesMax > limits.bodyBytesMax) {
    const says = `is ${limits.valueBytesMax}, which limits.bodyBytesMax (${limits.bodyBytesMax}) never lets in; raise that too`;
    faults.push({ path: 'limits.valueBytesMax', says });
  }
  if (log.kind === 'redis' && workers > 0) {
    faults.push({ path: 'workers', says: 'takes 0 with log.kind redis: start more nodes instead, which are equal' });
  }
  return faults;
}

function refuseOpenListening({ http, insecure, resp }: Settings): void {
  if (insecure) return;
  if (resp.listen !== '' && resp.password === '' && !isLoopback(listenAddressOf(resp.listen).host)) {
    throw new LatchkeyError(
      'insecure-listen',
      `resp.listen ${quote(resp.listen)} lets other machines in, and there is no password. ` +
        'Set resp.password, listen on 127.0.0.1, or allow it with --insecure (insecure: true, LATCHKEY_INSECURE=true).',
      { field: 'resp.listen' },
    );
  }
  if (isLoopback(http.host)) return;
  throw new LatchkeyError(
    'insecure-listen',
    `http.host ${quote(http.host)} lets other machines in, and there is no authentication. ` +
      'Listen on 127.0.0.1, or allow it with --insecure (insecure: true, LATCHKEY_INSECURE=true).',
    { field: 'http.host' },
  );
}
