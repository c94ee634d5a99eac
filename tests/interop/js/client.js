// @azure/web-pubsub-client, driven by a test. URL is the client access URL; OPTIONS is JSON.

import {
  WebPubSubClient,
  WebPubSubJsonProtocol,
  WebPubSubJsonReliableProtocol,
} from "@azure/web-pubsub-client";
import { obey, pack, say } from "./agent.js";

const { reliable = true, ...options } = JSON.parse(process.env.OPTIONS ?? "{}");
const client = new WebPubSubClient(
  { getClientAccessUrl: async () => process.env.URL },
  {
    ...options,
    protocol: reliable ? WebPubSubJsonReliableProtocol() : WebPubSubJsonProtocol(),
  },
);

for (const name of ["connected", "disconnected", "stopped", "rejoin-group-failed"]) {
  client.on(name, (event) => say({ event: name, ...event, error: event?.error?.message }));
}
for (const name of ["group-message", "server-message"]) {
  client.on(name, ({ message }) => {
    say({ event: name, ...message, data: pack(message.data) });
  });
}

obey(({ call, args }) => client[call](...args));
