// @azure/web-pubsub, driven by a test. CONNECTION_STRING and HUB say where; OPTIONS is JSON.

import { WebPubSubServiceClient } from "@azure/web-pubsub";
import { obey } from "./agent.js";

const service = new WebPubSubServiceClient(
  process.env.CONNECTION_STRING,
  process.env.HUB,
  JSON.parse(process.env.OPTIONS ?? "{}"),
);

obey(async ({ call, args, group }) => {
  const target = group === undefined ? service : service.group(group);
  const result = await target[call](...args);
  if (typeof result?.[Symbol.asyncIterator] !== "function") return result;
  const items = [];
  for await (const item of result) items.push(item);
  return items;
});
