/**
 * How values become bytes and come back: the parts that frames are put together from.
 * @module
 */
import { readId, writeId } from "../payment/id.ts";

/** What came is no frame of this version. The message is one line; the stream cannot be read any further. */
export class FrameError extends Error {
  override name = "FrameError";
}

/** How one value is written and read. What `is` denies is neither written nor, once read, believed. */
export interface Field<T> {
  readonly bytes: number;
  is?(value: T): boolean;
  read(view: DataView, at: number): T;
  write(view: DataView, at: number, value: T): void;
}

/** A position in a list of values: new ones go to the end. */
export function code<T>(values: readonly T[]): Field<T> {
  return {
    bytes: 1,
    is: (value) => values.includes(value),
    read: (view, at) => values[view.getUint8(at)]!,
    write: (view, at, value) => view.setUint8(at, values.indexOf(value)),
  };
}

/** A float64 that is what `is` says. */
export function number(is: (value: number) => boolean): Field<number> {
  return {
    bytes: 8,
    is,
    read: (view, at) => view.getFloat64(at),
    write: (view, at, value) => view.setFloat64(at, value),
  };
}

/** So many float64s that each are what `is` says. */
export function numbers(length: number, is: (value: number) => boolean): Field<readonly number[]> {
  return {
    bytes: 8 * length,
    is: (values) => values.length === length && values.every(is),
    read: (view, at) => Array.from({ length }, (_, i) => view.getFloat64(at + 8 * i)),
    write: (view, at, values) => values.forEach((value, i) => view.setFloat64(at + 8 * i, value)),
  };
}

const CANONICAL = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Reused: an id is written and read in one go. */
const words = new Uint32Array(4);
/** A canonical UUID; any 16 bytes are one. */
export const id: Field<string> = {
  bytes: 16,
  read(view, at) {
    for (let i = 0; i < 4; i++) words[i] = view.getUint32(at + 4 * i);
    return readId(words, 0);
  },
  write(view, at, value) {
    if (!CANONICAL.test(value)) throw new FrameError(`not a canonical id: ${value}`);
    writeId(value, words, 0);
    for (let i = 0; i < 4; i++) view.setUint32(at + 4 * i, words[i]!);
  },
};

/** Fields one after the other. */
export function struct<T>(fields: { readonly [K in keyof T]: Field<T[K]> }): Field<T> {
  const names = Object.keys(fields) as (keyof T & string)[];
  const check = (name: keyof T & string, value: T[typeof name]) => {
    if (fields[name].is?.(value) === false) throw new FrameError(`${name} cannot be ${String(value)}`);
  };
  return {
    bytes: names.reduce((sum, name) => sum + fields[name].bytes, 0),
    read(view, at) {
      const value = {} as T;
      for (const name of names) {
        value[name] = fields[name].read(view, at);
        check(name, value[name]);
        at += fields[name].bytes;
      }
      return value;
    },
    write(view, at, value) {
      for (const name of names) {
        check(name, value[name]);
        fields[name].write(view, at, value[name]);
        at += fields[name].bytes;
      }
    },
  };
}

export const flag: Field<boolean> = code([false, true]);
