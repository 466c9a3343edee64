// A kind of host that only the tests have: a server rented by contract from somebody with an interface of his own. All that
// the program comes to know of it stands here.
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { addThenRemove, type Host, type HostArgs, type HostProvider } from "../../components/hosts/host";
import { debian } from "../../components/platforms/debian";
import { anyProxy } from "../../components/settings/anyProxy";
import { object } from "../../components/settings/object";
import { publicAddress, slug } from "../../components/settings/values";

const SSH_PORT = 2200;
const HOST_KEY = `ssh-ed25519 ${"C".repeat(68)}`;

const schema = object("a proxy on a rented server", {
  ...anyProxy,
  host: z.literal("rented"),
  contract: slug("a contract", "k1"),
  place: slug("a place", "ams").default("ams"),
  ipv4: publicAddress(4, "203.0.113.77"),
});
const snapshotSchema = z.object({ host: z.literal("rented"), contract: z.string(), place: z.string() });
type Entry = z.output<typeof schema>;

export const rented: HostProvider<Entry, z.output<typeof snapshotSchema>> = {
  name: "rented",
  schema,
  token: {
    key: "rented:token",
    variable: "RENTED_TOKEN",
    check: (token) => (token ? [] : [{ key: "rented:token", text: "is missing. Ask your landlord." }]),
  },
  operatorKey: false,
  reverseDns: false,
  snapshotSchema,
  properties: ({ ipv4, contract }) => ({
    sshPort: SSH_PORT,
    platform: debian,
    autonomousSystem: 64500,
    closed: false,
    rebootTime: () => "05:00",
    identifiers: [ipv4],
    faults: contract === "void" ? ["has a contract that is void. Sign another."] : [],
  }),
  // Of those with a contract "new" there is none yet.
  findEndpoints: (entries, { stack }) =>
    Promise.resolve(
      new Map(
        entries
          .filter(({ contract }) => contract !== "new")
          .map(({ name, contract }) => [
            name,
            {
              machine: contract,
              host: `${name}.${stack}.example.net`,
              ports: [SSH_PORT, 22],
              user: "root",
              hostKey: HOST_KEY,
            },
          ]),
      ),
    ),
  open: (name, args, opts) => new RentedHost(name, args, opts),
  snapshot: ({ host, contract, place }) => ({ host, contract, place }),
  identity: ({ contract }) => ({ id: contract, gone: false }),
  immutableChanges: (name, was, is) =>
    was.place === is.place ? [] : [{ key: "place", text: `was "${was.place}" until now. ${addThenRemove(name)}` }],
};

class RentedHost extends pulumi.ComponentResource implements Host {
  readonly platform = debian;
  readonly ipv4;
  readonly ipv6 = undefined;
  readonly ssh;
  readonly become = "root" as const;
  readonly machine;
  readonly firstContactAttempts = 7;
  readonly wan = undefined;
  readonly adopted = false;
  readonly gone = false;
  readonly closed = false;
  readonly rebootTime = "05:00";

  constructor(name: string, { settings, key }: HostArgs<Entry>, opts: pulumi.ComponentResourceOptions) {
    super("test:hosts:RentedHost", name, {}, opts);
    this.ipv4 = pulumi.output(settings.ipv4);
    this.ssh = { host: settings.ipv4, port: SSH_PORT, user: "root", hostKey: HOST_KEY, privateKey: key().privateKey };
    this.machine = pulumi.output(settings.contract);
  }
}
