/**
 * A certificate for a server on this machine, made on the spot, so that no test needs openssl and none can expire. X.509 version 3 in
 * DER (RFC 5280), ECDSA on P-256, its own authority.
 */
import { generateKeyPairSync, sign } from 'node:crypto';

export interface Certificate {
  /** PEM; what a client trusts as `ca`, too. */
  readonly cert: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;

const SEQUENCE = 0x30;
const SET = 0x31;

function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length = body.length < 0x100 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const hex = (tag: number, content: string) => der(tag, Buffer.from(content, 'hex'));
const oid = (content: string) => hex(0x06, content);
const bits = (content: Uint8Array) => der(0x03, Buffer.from([0]), content);

function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '');
  return der(0x18, Buffer.from(text));
}

const ECDSA_WITH_SHA256 = der(SEQUENCE, oid('2a8648ce3d040302'));
const NAME = der(SEQUENCE, der(SET, der(SEQUENCE, oid('550403'), der(0x0c, Buffer.from('localhost')))));
/** The name `localhost` and the addresses 127.0.0.1 and ::1; it may sign itself. */
const EXTENSIONS = der(
  0xa3,
  der(
    SEQUENCE,
    der(
      SEQUENCE,
      oid('551d11'),
      der(
        0x04,
        der(SEQUENCE, der(0x82, Buffer.from('localhost')), hex(0x87, '7f000001'), hex(0x87, `${'00'.repeat(15)}01`)),
      ),
    ),
    der(SEQUENCE, oid('551d13'), hex(0x01, 'ff'), der(0x04, der(SEQUENCE, hex(0x01, 'ff')))),
  ),
);

/** Valid from a day before `now` to a day after. */
export function selfSigned(now: number): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const body = der(
    SEQUENCE,
    der(0xa0, hex(0x02, '02')),
    hex(0x02, '01'),
    ECDSA_WITH_SHA256,
    NAME,
    der(SEQUENCE, time(now - DAY_MS), time(now + DAY_MS)),
    NAME,
    publicKey.export({ type: 'spki', format: 'der' }),
    EXTENSIONS,
  );
  const whole = der(SEQUENCE, body, ECDSA_WITH_SHA256, bits(sign('sha256', body, privateKey)));
  const lines = whole.toString('base64').replace(/(.{64})/g, '$1\n');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
