// How a newcomer gets a device in. No token and no key is here: neither is ever sent to the page.

import { byId, copyable, make } from "./dom.js";

/**
 * @param {object} start what the service says first
 * @param {string} hub a hub to take as the example; "" for none yet
 */
export function showSteps(start, hub) {
  const name = hub || "chargers";
  const socket = start.endpoint.replace(/^http/, "ws");
  const free = start.anonymous_hubs.some((one) => one.toLowerCase() === name);
  const steps = [
    step("The hub’s address. A hub exists as soon as somebody connects to it.",
      `${socket}/client/hubs/${name}`),
    free ? anonymous(name) : token(start, name),
    step("Connect with that URL. The subprotocol makes groups and acknowledgements possible.",
      "json.reliable.webpubsub.azure.v1"),
  ];
  byId("connect-steps").replaceChildren(...steps);
}

function step(text, code) {
  const item = make("li", {}, make("p", {}, text));
  if (code !== undefined) {
    // Torn apart before an option, or after a slash of a URL.
    item.append(...copyable(code, code.split(/(?<= )(?=--)|(?<=\w\/)/)));
  }
  return item;
}

function anonymous(name) {
  return step(`No token is needed: ${name} lets anonymous clients in.`);
}

function token(start, name) {
  if (!start.local_auth) {
    return step("A token in it. Access keys are switched off, so an identity of Microsoft Entra ID "
      + "makes it.",
    `hubtool token ${name} --entra --endpoint ${start.tls_endpoint ?? start.endpoint} `
      + "--user-id cp-7 --url --output url.txt");
  }
  return step("A token in it. The command asks for the connection string that hubtool serve "
    + "printed.",
  `hubtool token ${name} --user-id cp-7 --role webpubsub.joinLeaveGroup `
    + "--role webpubsub.sendToGroup --lifetime 12h --url --output url.txt");
}
