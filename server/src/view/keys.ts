/** How places, moments and names lie in the store's ordered keys: big endian, so that byte order is number order. */

export function placeKey(partition: number, offset: number): Buffer {
  return writePlaceKey(Buffer.allocUnsafe(9), partition, offset);
}

/** `placeKey` into a buffer of 9 bytes that is used over and over: LMDB takes its copy within the call. */
export function writePlaceKey(key: Buffer, partition: number, offset: number): Buffer {
  key[0] = partition;
  writeUint64(key, 1, offset);
  return key;
}

export function offsetOf(key: Buffer): number {
  return readUint64(key, 1);
}

/** `moment · kind · key`. */
export function dueKey(micros: number, kind: number, key: Buffer): Buffer {
  const due = Buffer.allocUnsafe(9 + key.length);
  writeMoment(due, micros);
  due[8] = kind;
  key.copy(due, 9);
  return due;
}

export function momentOf(key: Buffer): number {
  return readUint64(key, 0);
}

/** The first key after every due of that moment. */
export function afterMoment(micros: number): Buffer {
  const key = Buffer.allocUnsafe(8);
  writeMoment(key, micros + 1);
  return key;
}

/** The least key that is greater than every key with this prefix; undefined where there is none. */
export function afterPrefix(prefix: Buffer): Buffer | undefined {
  for (let index = prefix.length - 1; index >= 0; index -= 1) {
    if ((prefix[index] as number) < 0xff) {
      const end = Buffer.from(prefix.subarray(0, index + 1));
      end[index] = (end[index] as number) + 1;
      return end;
    }
  }
  return undefined;
}

// `valid` may lie before 1970; whatever is that long due is due at once.
function writeMoment(key: Buffer, micros: number): void {
  writeUint64(key, 0, Math.max(0, micros));
}

function writeUint64(key: Buffer, at: number, value: number): void {
  key.writeUInt32BE(Math.floor(value / 4_294_967_296), at);
  key.writeUInt32BE(value >>> 0, at + 4);
}

function readUint64(key: Buffer, at: number): number {
  return key.readUInt32BE(at) * 4_294_967_296 + key.readUInt32BE(at + 4);
}
