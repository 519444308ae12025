/**
 * What is used of `node:http`, which is not imported: an import evaluates all that a built-in module exports, and this one exports the
 * WebSocket of undici: a third of the CPU that `latchkey get` takes, 35 of 113 ms.
 */
const http = process.getBuiltinModule('node:http');

export const { Agent, createServer, METHODS, request, STATUS_CODES } = http;
