// An event handler made of express and @azure/web-pubsub-express; tells the test what it gets.

import express from "express";
import { WebPubSubEventHandler } from "@azure/web-pubsub-express";
import { pack, say } from "./agent.js";

const handler = new WebPubSubEventHandler(process.env.HUB, {
  ...JSON.parse(process.env.OPTIONS ?? "{}"),
  handleConnect(request, response) {
    const { context, claims, queries, headers, subprotocols } = request;
    say({ event: "connect", context, claims, queries, headers, subprotocols });
    const [id] = queries.id ?? [];
    if (id === undefined) return response.success();
    if (id === "stranger") return response.fail(401, "who is that?");
    response.setState("turn", 0);
    response.success({
      userId: id,
      roles: ["webpubsub.sendToGroup.telemetry"],
      groups: ["commands"],
      subprotocol: subprotocols.includes("ocpp1.6") ? "ocpp1.6" : undefined,
    });
  },
  onConnected({ context }) {
    say({ event: "connected", context });
  },
  onDisconnected({ context, reason }) {
    say({ event: "disconnected", context, reason });
  },
  handleUserEvent({ context, data, dataType }, response) {
    say({ event: "user", context, dataType, data: pack(data) });
    if (context.eventName === "fail") return response.fail(500, "on purpose");
    if (context.eventName === "silent") return response.success();
    response.setState("turn", (context.states.turn ?? 0) + 1);
    response.success(dataType === "json" ? JSON.stringify(data) : data, dataType);
  },
});

const app = express();
app.use(handler.getMiddleware());
const server = app.listen(0, "127.0.0.1", () => {
  say({ event: "listening", port: server.address().port, path: handler.path });
});
process.stdin.on("close", () => process.exit(0)).resume();
