import { describeGroups, describeSettings, type SettingDescription } from './describe.ts';
import { type Environment, variable } from './environment.ts';
import { type Fault, shown } from './fault.ts';
import { emptyTree, isTree, type Layer, setPath, toTree } from './layer.ts';
import { didYouMean } from './suggestion.ts';

/** Read by the command line and the bins, not settings. */
const NOT_SETTINGS = ['LATCHKEY_SERVER', 'LATCHKEY_SERVER_ADDRESS', 'LATCHKEY_TOKEN', 'LATCHKEY_CONFIG'];
const LATER_VARIABLES = /^LATCHKEY_AUTH(_|$)/;

const KUBERNETES_VALUE = /^(tcp|udp|sctp):\/\//;
const KUBERNETES_NAME = /(_SERVICE_HOST|_SERVICE_PORT(_[A-Z0-9_]+)?|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;

export interface EnvironmentLayer extends Layer {
  readonly faults: readonly Fault[];
  readonly warnings: readonly string[];
}

/** Settings from `LATCHKEY_…`, `PORT`, `LOG_LEVEL`, `CLUSTER` and `LATCHKEY_PRESET`; the exact name wins over its alias. */
export function readEnvironment(environment: Environment): EnvironmentLayer {
  const tree = emptyTree();
  const origins = new Map<string, string>();
  const faults: Fault[] = [];
  const ignored: string[] = [];
  const take = (name: string): string | undefined => {
    const text = variable(environment, name);
    if (text === undefined || !isFromKubernetes(name, text)) return text;
    ignored.push(name);
    return undefined;
  };
  const settings = describeSettings();
  const groups = describeGroups();
  for (const { path, variable: name } of groups) {
    const text = take(name);
    if (text === undefined) continue;
    const value = parseJson(text);
    origins.set(path, name);
    if (isTree(value)) tree[path] = toTree(value);
    else faults.push({ path, says: `takes a JSON object, but got ${shown(path, text)}`, origin: name });
  }
  for (const setting of settings) {
    for (const name of [...setting.aliases, setting.variable]) {
      const text = take(name);
      if (text === undefined) continue;
      origins.set(setting.path, name);
      setPath(tree, setting.path, fromText(setting, name, text));
    }
  }
  const known = new Set([...NOT_SETTINGS, ...groups.map((group) => group.variable)]);
  for (const setting of settings) for (const name of [...setting.aliases, setting.variable]) known.add(name);
  for (const name of Object.keys(environment).filter((each) => each.startsWith('LATCHKEY_') && !known.has(each))) {
    if (take(name) === undefined) continue;
    faults.push({ path: name, says: unknownVariable(name, [...known]) });
  }
  return { tree, origins, faults, warnings: ignored.length === 0 ? [] : [kubernetesWarning(ignored)] };
}

function unknownVariable(name: string, known: readonly string[]): string {
  if (LATER_VARIABLES.test(name)) return 'sets what this version does not have; unset it';
  return `is not a setting.${didYouMean(name, known)}`;
}

export function isFromKubernetes(name: string, text: string): boolean {
  return KUBERNETES_VALUE.test(text) || (name.startsWith('LATCHKEY_') && KUBERNETES_NAME.test(name));
}

export function kubernetesWarning(names: readonly string[]): string {
  const unique = [...new Set(names)].sort();
  const list = unique.length > 5 ? `${unique.slice(0, 5).join(', ')} and ${unique.length - 5} more` : unique.join(', ');
  return `ignored ${list}: Kubernetes sets them for services of that name (enableServiceLinks: false turns that off)`;
}

/** What cannot be read is handed on as text: the schema then says what the setting takes. */
export function fromText(setting: SettingDescription, name: string, text: string): unknown {
  const trimmed = text.trim();
  if (setting.kind === 'items') {
    const value = parseJson(trimmed);
    return Array.isArray(value) ? toTree({ value }).value : text;
  }
  if (setting.kind === 'list') {
    // The variable for presets names one or several, as the flag does.
    if (name === 'LATCHKEY_PRESET') return trimmed.split(/[\s,]+/).filter((preset) => preset !== '');
    return parseJson(trimmed) ?? text;
  }
  if (setting.kind === 'count') return /^-?[0-9]+(\.[0-9]+)?$/.test(trimmed) ? Number(trimmed) : text;
  if (setting.kind === 'flag') {
    const word = trimmed.toLowerCase();
    if (['true', '1', 'yes', 'on'].includes(word)) return true;
    if (['false', '0', 'no', 'off'].includes(word)) return false;
    return text;
  }
  return setting.kind === 'text' ? text : trimmed;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
