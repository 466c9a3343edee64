// The ready-made program has a stack to itself: where its resources go there, and under which names. Those are in the states
// of people's stacks: another one would be another resource.
import * as pulumi from "@pulumi/pulumi";
import { PROXY_TYPE, RELAY, RELAY_TYPE } from "./componentTypes";
import type { ProxySetup } from "./proxySetup";
import type { Place } from "./run";

export function ownStack(): Place {
  const components = new Map<string, ProxyComponent>();
  return {
    relay: RELAY,
    prefix: "",
    owner: pulumi.getStack(),
    relayComponent: () => new pulumi.ComponentResource(RELAY_TYPE, RELAY),
    proxyComponent(name) {
      const component = new ProxyComponent(name);
      components.set(name, component);
      return component;
    },
    registered: (proxies) => {
      for (const proxy of proxies) components.get(proxy.name)?.show(proxy);
    },
  };
}

class ProxyComponent extends pulumi.ComponentResource {
  constructor(name: string) {
    super(PROXY_TYPE, name);
  }

  show({ outputs }: ProxySetup): void {
    this.registerOutputs(outputs);
  }
}
