// A kind of host that nobody sells, as somebody would add it: this one file, and a line in the table of kinds.
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { Host, HostArgs, HostKind } from "../../components/hosts/host";
import { debian } from "../../components/platforms/debian";
import { anyProxy } from "../../components/settings/anyProxy";
import { object } from "../../components/settings/object";
import { slug } from "../../components/settings/values";
import { HOST_KEY } from "./aStack";

const schema = object("a proxy on a rented machine", { ...anyProxy, host: z.literal("rented"), street: slug("a street", "main") });
type Entry = z.output<typeof schema>;
const remembered = z.object({ host: z.literal("rented"), street: z.string() });

export const ADDRESS = "198.51.100.90";

export const rented: HostKind<Entry, z.output<typeof remembered>> = {
  name: "rented",
  schema,
  token: { key: "rented:token", variable: "RENTED_TOKEN", check: (token) => (token === undefined ? [{ key: "rented:token", text: "is missing." }] : []) },
  operatorKey: false,
  reverseDns: true,
  remembered,
  traits: () => ({ sshPort: 2200, autonomousSystem: 64500, closed: true, rebootTime: (byDefault) => byDefault, marks: [], faults: [] }),
  doors: (entries) => Promise.resolve(new Map(entries.map(({ name }) => [name, { host: ADDRESS, ports: [2200] }]))),
  open: (name, args, opts) => new RentedHost(name, args, opts),
  remember: ({ host, street }) => ({ host, street }),
  identity: () => undefined,
  moved: (_name, was, is) => (was.street === is.street ? [] : [{ key: "street", text: `was ${was.street}.` }]),
};

class RentedHost extends pulumi.ComponentResource implements Host {
  readonly platform = debian;
  readonly ipv4 = pulumi.output(ADDRESS);
  readonly ipv6 = undefined;
  readonly reach = { host: ADDRESS, port: 2200, user: "root", hostKey: HOST_KEY, privateKey: "k" };
  readonly become = "root" as const;
  readonly machine = pulumi.output("rented-1");
  readonly firstContactAttempts = 3;
  readonly wan = undefined;
  readonly stays = false;
  readonly gone = false;
  readonly closed = true;
  readonly rebootTime;

  constructor(name: string, args: HostArgs<Entry>, opts: pulumi.ComponentResourceOptions) {
    super("test:RentedHost", name, {}, opts);
    this.rebootTime = args.rebootTime;
    this.registerOutputs({});
  }
}
