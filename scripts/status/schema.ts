// What `npm run status -- --json` says. The version goes up when something in it is called otherwise or goes; what is new may
// come in between. docs/status.schema.json is made of this.
import { z } from "zod";

const state = z
  .enum(["well", "degraded", "down"])
  .describe("well; degraded: something is not as it should be; down: no mail gets through");
const messages = z.array(z.string());
const faults = messages.describe("What is wrong, in sentences; empty when all is well");
const notes = messages.describe("What is worth knowing, and stops nothing");
const family = z.union([z.literal(4), z.literal(6)]).describe("IPv4 or IPv6");

const host = z.object({
  reachable: z.boolean().describe("It let us in by SSH, and answered"),
  reason: z.string().nullable().describe("Why not"),
  system: z.string().nullable().describe("Operating system and kernel"),
  drift: messages.describe("What differs from what was brought in"),
  putBack: z.number().int().nullable().describe("How often it has put something back by itself"),
  lastPutBack: z.string().nullable().describe("When it last did (ISO 8601), and what"),
  reboot: z.string().nullable().describe("Why it should be rebooted; null where it need not"),
  clockOffset: z.number().int().nullable().describe("Seconds by which its clock is ahead of this machine's"),
  disk: z.object({ free: z.number(), of: z.number() }).nullable().describe("Bytes"),
  tracked: z
    .object({ now: z.number(), most: z.number() })
    .nullable()
    .describe("Connections that it keeps track of, and how many it can"),
});

const port = z.object({
  port: z.number().int(),
  answer: z
    .enum(["answered", "refused", "silent", "notFromHere"])
    .describe("notFromHere: this machine has no address of that family"),
  ms: z.number().nullable().describe("Milliseconds until the port's own protocol was spoken"),
  note: z.string().nullable().describe("What is odd about the answer"),
});

const proxy = z.object({
  name: z.string(),
  dnsName: z.string(),
  publish: z.boolean().describe("It is wanted in the mail domain's records"),
  state,
  addresses: z.array(
    z.object({
      family,
      address: z.string(),
      works: z.boolean().describe("The relay answers there"),
      published: z.boolean().describe("The zone's own name servers answer it for the mail domain"),
      reverse: messages.nullable().describe("Its names by reverse DNS; null where nobody could be asked"),
      ports: z.array(port).describe("From here"),
    }),
  ),
  tunnel: z
    .object({
      state: z.enum(["up", "silent", "none"]).describe("silent: the relay never called; none: no tunnel is wanted"),
      handshakeAge: z.number().nullable().describe("Seconds since the relay last called"),
      received: z.number().nullable().describe("Bytes, since the interface is there"),
      sent: z.number().nullable().describe("Bytes"),
      ports: z
        .array(
          z.object({
            port: z.number().int(),
            family,
            open: z.boolean(),
            ms: z.number().nullable().describe("Milliseconds until it accepted"),
          }),
        )
        .describe("The relay's, as this proxy reaches them"),
      outbound: z
        .array(z.object({ family, open: z.boolean() }))
        .describe("Whether another mail server's port 25 answers there; empty where that is not asked"),
    })
    .nullable()
    .describe("null where the proxy could not be asked"),
  host: host.nullable().describe("null where it is not asked: given up, or not there yet"),
  faults,
  notes,
});

const answer = z.object({
  server: z.string(),
  addresses: messages.nullable().describe("A and AAAA of the mail domain; null where it gave no answer"),
});

export const stackStatus = z.object({
  version: z.literal(1),
  stack: z.string(),
  mailDomain: z.string(),
  at: z.string().describe("When the look began (ISO 8601)"),
  state,
  proxies: z.array(proxy),
  relay: z.object({
    state,
    host: host.nullable().describe("null where it is not asked: set up by a script, or given up"),
    faults,
    notes,
  }),
  zone: z.object({
    name: z.string(),
    provider: z.string(),
    state,
    wanted: messages.describe("What the last run has published"),
    authoritative: z.array(answer).describe("The zone's own name servers"),
    resolver: answer.describe("The one that this machine uses, which may remember what was"),
    faults,
    notes,
  }),
  certificate: z.object({
    state,
    ports: z.array(
      z.object({
        port: z.number().int(),
        names: messages,
        issuer: z.string(),
        expires: z.string().describe("ISO 8601"),
        daysLeft: z.number().int(),
        untrusted: z.string().nullable().describe("Why this machine does not trust its issuer; null where it does"),
      }),
    ),
    faults,
    notes,
  }),
});

export type StackStatus = z.output<typeof stackStatus>;
export type ProxyStatus = StackStatus["proxies"][number];
export type HostPart = z.output<typeof host>;
export type State = z.output<typeof state>;
