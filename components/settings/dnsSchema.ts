// What may be below dns: the provider decides about the other keys. Pure.
import { z } from "zod";
import { TSIG_ALGORITHMS } from "../dns/wire/tsig";
import { object } from "./object";
import { domainName, hostAddress, keyName, port, shown, subdomain, wholeNumber } from "./values";

export const DNS_PROVIDERS = ["hetzner", "rfc2136", "cloudflare", "manual"] as const;

const common = {
  zone: domainName,
  left: domainName.optional(),
  ttl: wholeNumber(60, 86400, "a TTL in seconds").default(300),
  proxySubdomain: subdomain.default("proxy"),
};

const ON_DESTROY = ["delete", "keep", "relay"] as const;

const onDestroy = {
  onDestroy: z
    .enum(ON_DESTROY, {
      error: (issue) =>
        `${shown(issue.input)} is none of "delete", "keep" and "relay". Say whether pulumi destroy deletes the mail domain's addresses, keeps them, or puts the relay's own there.`,
    })
    .default("delete"),
};

const tsig = object("the key for signed updates", {
  name: keyName,
  algorithm: z
    .enum(TSIG_ALGORITHMS, {
      error: (issue) => `${shown(issue.input)} is no algorithm for a key. Use one of ${TSIG_ALGORITHMS.join(", ")}.`,
    })
    .default("hmac-sha256"),
});

const what = "the DNS settings";
const provider = <P extends (typeof DNS_PROVIDERS)[number], T extends z.ZodRawShape>(name: P, shape: T) =>
  object(what, { provider: z.literal(name), ...common, ...shape });

const choice = z.discriminatedUnion(
  "provider",
  [
    provider("hetzner", onDestroy),
    provider("rfc2136", { server: hostAddress, port: port.default(53), tsig, ...onDestroy }),
    provider("cloudflare", onDestroy),
    provider("manual", {}),
  ],
  {
    error: ({ input }) => {
      if (input === undefined) return `is missing. Give ${what}: provider, zone.`;
      if (input === null || typeof input !== "object" || Array.isArray(input))
        return `${shown(input)} is not ${what}. Give it the keys provider, zone.`;
      return `${shown((input as { provider?: unknown }).provider)} is not a DNS provider. Use one of ${DNS_PROVIDERS.join(", ")}.`;
    },
  },
);

/** Without a provider it is Hetzner Cloud. */
export const dnsSchema = z.preprocess(
  (value) =>
    value !== null && typeof value === "object" && !Array.isArray(value) ? { provider: "hetzner", ...value } : value,
  choice,
);
