import type { Entry, LatchkeyClient } from '@latchkey/client';
import { useEffect, useState } from 'react';
import { STATUS_WORDS } from '../host/status-words.ts';
import { useEntries, useEntry, useStatus } from './hooks.ts';
import { TargetForm } from './target-form.tsx';

/** `room.kitchen.temp`, measured, and `room.kitchen.target`, wanted: numbers in °C. */
const ROOMS = { prefixes: ['room.'] };
const CLOCK_MS = 1000;
const DRIFT_MAX = 0.75;

export function Board({ client }: { readonly client: LatchkeyClient }) {
  const status = useStatus(ROOMS);
  const entries = useEntries<number>(ROOMS);
  const nowMs = useNowMs();
  const isLive = status.kind === 'live';
  const names = [...new Set(entries.map(({ key }) => key.split('.')[1] ?? key))];
  return (
    <>
      <header className="bar">
        <h1>Climate</h1>
        <p className="status" role="status" data-status={status.kind}>
          {STATUS_WORDS[status.kind]}
        </p>
      </header>
      <main>
        <p className="about" role="status">
          {aboutText(isLive, entries.length)}
        </p>
        <ul className="rooms">
          {names.map((name) => (
            <Room key={name} name={name} client={client} isLive={isLive} nowMs={nowMs} />
          ))}
        </ul>
        {isLive && names.length === 0 && (
          <p className="about">No room yet: put a number to room.kitchen.temp and watch it arrive.</p>
        )}
      </main>
    </>
  );
}

function aboutText(isLive: boolean, entryCount: number): string {
  if (isLive) return 'Change a target, and every open page shows it at once.';
  if (entryCount === 0) return 'Asking the server.';
  return 'The server is away. What is shown is what was last known; it comes back by itself.';
}

interface RoomProps {
  readonly name: string;
  readonly client: LatchkeyClient;
  readonly isLive: boolean;
  readonly nowMs: number;
}

function Room({ name, client, isLive, nowMs }: RoomProps) {
  const temp = useEntry<number>(`room.${name}.temp`, ROOMS);
  const target = useEntry<number>(`room.${name}.target`, ROOMS);
  const isOff = temp !== undefined && target !== undefined && Math.abs(degrees(temp) - degrees(target)) > DRIFT_MAX;
  return (
    <li className="room" data-off={isOff}>
      <h2>{name}</h2>
      {temp !== undefined && (
        <div className="cell" {...cell(temp, isLive)}>
          <span className="temp">{text(temp)}</span>
          <span className="age">
            {temp.stale === true && <span className="badge">no sensor</span>} {ageText(temp, nowMs)}
          </span>
        </div>
      )}
      {target !== undefined && (
        <div className="cell target" {...cell(target, isLive)}>
          <TargetForm entry={target} client={client} isLive={isLive} />
        </div>
      )}
    </li>
  );
}

/** Old: its own time of validity has passed, or this page can't know whether it is still true. */
function cell(entry: Entry, isLive: boolean) {
  const isOld = entry.stale === true || !isLive;
  return { 'data-key': entry.key, 'data-version': entry.version, 'data-old': isOld };
}

const degrees = ({ value }: Entry<number>) => (typeof value === 'number' ? value : Number.NaN);

function text(entry: Entry<number>): string {
  const value = degrees(entry);
  return Number.isFinite(value) ? `${value.toFixed(1)} °C` : '—';
}

function ageText({ updated }: Entry, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(updated)) / 1000));
  if (seconds < 2) return 'now';
  if (seconds < 120) return `${seconds} s ago`;
  return `${Math.floor(seconds / 60)} min ago`;
}

function useNowMs(): number {
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), CLOCK_MS);
    return () => clearInterval(timer);
  }, []);
  return nowMs;
}
