// A central system made of ocpp-rpc in strict mode: each message both ways is checked by its
// schemas. It tells the test what comes, and calls charging points for it.

import rpc from "ocpp-rpc";
import { obey, say } from "./agent.js";

const { RPCServer, createRPCError } = rpc;
const stations = new Map();
let transaction = 0;
// Answers to the next calls, by action; the usual ones when there are none.
const planned = {};

const accepted = { idTagInfo: { status: "Accepted" } };
const usual = {
  BootNotification: () => ({
    status: "Accepted",
    interval: 300,
    currentTime: new Date().toISOString(),
  }),
  Heartbeat: () => ({ currentTime: new Date().toISOString() }),
  StatusNotification: () => ({}),
  MeterValues: () => ({}),
  Authorize: () => accepted,
  StartTransaction: () => ({ transactionId: transaction++, ...accepted }),
  StopTransaction: () => ({}),
};

const server = new RPCServer({ protocols: ["ocpp1.6"], strictMode: true });
server.auth((accept, reject, { identity, password }) => {
  say({ event: "handshake", identity, password: password?.toString() ?? null });
  accept({});
});
server.on("client", (client) => {
  stations.set(client.identity, client);
  for (const name of ["badMessage", "strictValidationFailure"]) {
    client.on(name, ({ error, payload }) => {
      say({ event: "invalid", name, message: error.message, payload });
    });
  }
  client.handle(({ method, params }) => {
    say({ event: "call", method, params });
    const next = planned[method]?.shift();
    if (next?.error) throw createRPCError(next.error, "on purpose");
    return { ...usual[method](), ...next };
  });
});

const http = await server.listen(0, "127.0.0.1");
say({ event: "listening", port: http.address().port });

obey(({ call, args }) => {
  if (call === "plan") {
    const [method, ...answers] = args;
    planned[method] = answers;
  } else if (call === "drop") {
    for (const client of stations.values()) client.close({ force: true });
  } else {
    const [identity, params] = args;
    return stations.get(identity).call(call, params);
  }
});
