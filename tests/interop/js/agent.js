// A program that a test talks to: one JSON object per line, commands in, results and events out.
//
// In: {"id": 1, "call": "joinGroup", "args": ["a"]}
// Out: {"id": 1, "result": ...} or {"id": 1, "error": {"name", "message", ...}}, and events of
// any other shape. Bytes travel as {"bytes": "<base64>"}.

import { createInterface } from "node:readline";

/** What JSON cannot say becomes something that it can. */
export function pack(value) {
  if (value instanceof ArrayBuffer) value = Buffer.from(value);
  return ArrayBuffer.isView(value) ? { bytes: Buffer.from(value).toString("base64") } : value;
}

function unpack(value) {
  if (typeof value?.bytes !== "string") return value;
  // A copy of its own: small buffers of node share one ArrayBuffer.
  return new Uint8Array(Buffer.from(value.bytes, "base64")).buffer;
}

/** Tell the test. */
export function say(object) {
  process.stdout.write(JSON.stringify(object) + "\n");
}

function describe(error) {
  const { name, message, statusCode, code, errorDetail, rpcErrorCode } = error;
  return { name, message, statusCode, code, errorDetail, rpcErrorCode };
}

/** Carry out commands with `execute(command)` until the test closes the pipe. */
export function obey(execute) {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const command = JSON.parse(line);
    command.args = (command.args ?? []).map(unpack);
    try {
      say({ id: command.id, result: pack(await execute(command)) ?? null });
    } catch (error) {
      say({ id: command.id, error: describe(error) });
    }
  });
  lines.on("close", () => process.exit(0));
}
