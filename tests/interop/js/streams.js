// @azure/web-pubsub-client 1.1, which can stream and invoke, driven by a test. URL is the client
// access URL; OPTIONS is JSON. Beside the methods of the client there are those of its streams:
// open(group, options), write(streamId, content, type), end(streamId), abort(streamId, error).

import {
  WebPubSubClient,
  WebPubSubJsonProtocol,
  WebPubSubJsonReliableProtocol,
} from "web-pubsub-client-streams";
import { obey, pack, say } from "./agent.js";

const { reliable = true, ...options } = JSON.parse(process.env.OPTIONS ?? "{}");
const client = new WebPubSubClient(
  { getClientAccessUrl: async () => process.env.URL },
  {
    ...options,
    protocol: reliable ? WebPubSubJsonReliableProtocol() : WebPubSubJsonProtocol(),
  },
);

for (const name of ["connected", "disconnected", "stopped"]) {
  client.on(name, (event) => say({ event: name, ...event }));
}

client.onGroupStream(async (stream) => {
  const { streamId } = stream;
  try {
    for await (const { groupName, fromUserId, dataType, data } of stream) {
      say({ event: "piece", streamId, groupName, fromUserId, dataType, data: pack(data) });
    }
    say({ event: "end", streamId });
  } catch ({ name, message, userErrorCode }) {
    say({ event: "end", streamId, name, message, userErrorCode });
  }
});

const writers = new Map();
const streams = {
  async open(group, options) {
    const writer = await client.openGroupStream(group, options);
    writer.onError(({ name, message }) => {
      say({ event: "failed", streamId: writer.streamId, name, message });
    });
    writers.set(writer.streamId, writer);
    return writer.streamId;
  },
  write: (streamId, content, type) => writers.get(streamId).write(content, type),
  end: (streamId) => writers.get(streamId).end(),
  abort: (streamId, error) => writers.get(streamId).abort(error),
};

obey(async ({ call, args, abortAfter }) => {
  if (call in streams) return streams[call](...args);
  if (call !== "invokeEvent") return client[call](...args);
  const abortSignal = abortAfter ? AbortSignal.timeout(abortAfter) : undefined;
  const { dataType, data } = await client.invokeEvent(...args, { abortSignal });
  return { dataType, data: pack(data) };
});
