// A stack file's list of proxies, changed as a person would change it: all else in the file, comments too, stays. Pure.
import { isMap, isSeq, parseDocument, Scalar, type Document, type YAMLMap } from "yaml";
import { DEFAULT_TTL } from "./history";

const PROXIES = "chatmail-proxy:proxies";

/** What a mark of ours on a drained proxy says; all of it undefined where somebody else drained it. */
export interface Drain {
  /** When the proxy was taken out of DNS; undefined while that is yet to be done. */
  readonly since: Date | undefined;
  /** When it was last known to be out of it. The mark says nothing about what was run later: people publish again. */
  readonly checked: Date | undefined;
  /** Of the records that still named it, in seconds. */
  readonly ttl: number | undefined;
}

export interface EntryState {
  /** The proxies' names, in their order. */
  readonly names: readonly string[];
  /** Why it must not be removed, or undefined. */
  readonly obstacle: string | undefined;
  /** Undefined while it is published. */
  readonly drained: Drain | undefined;
  /** Of the mail domain's records by these settings, in seconds. */
  readonly ttl: number;
  /** Where the SSH is of a machine that stays, and on which what was set up will be undone. */
  readonly endpoint: { readonly host: string; readonly port: number } | undefined;
  /** The relay is set up by a script, which a person runs. */
  readonly byScript: boolean;
}

/** Throws an Error with a sentence for the operator when the file is no stack file or has no such proxy. */
export function entryState(text: string, name: string): EntryState {
  const document = read(text);
  const entries = list(document);
  const config = (document.toJS() as { config?: Record<string, unknown> } | null)?.config ?? {};
  const names = entries.map((entry) => String(entry.get("name")));
  const entry = entries.find((each) => each.get("name") === name);
  if (!entry)
    throw new Error(
      `there is no proxy ${JSON.stringify(name)} in the settings; there are: ${names.join(", ") || "none"}`,
    );
  const publish = entry.get("publish", true) as Scalar<boolean> | undefined;
  const others = entries.filter((each) => each !== entry && each.get("publish") !== false);
  const egress = [config["chatmail-proxy:egress"] ?? []].flat();
  const dns = config["chatmail-proxy:dns"] as { ttl?: number; provider?: string } | undefined;
  const relay = config["chatmail-proxy:relay"] as { setup?: string } | undefined;
  return {
    names,
    obstacle:
      others.length === 0
        ? `${name} is the only proxy that is published: without it the mail domain would have no address. Add another one first, or leave altogether with pulumi destroy.`
        : egress.includes(name)
          ? `${name} is in egress: the relay's mail leaves through it. Name another one there first (or none), and run pulumi up.`
          : dns?.provider === "manual"
            ? `with dns.provider manual nobody but you takes ${name} out of DNS: set publish: false, run pulumi up, change the zone as it says, wait for the TTL, then remove the entry and run pulumi up again.`
            : entry.get("deleteProtection") === true
              ? `${name} has deleteProtection: true, so that Hetzner Cloud would refuse to delete it: set deleteProtection: false and run pulumi up first.`
              : undefined,
    drained: publish?.value === false ? readMark(publish.comment) : undefined,
    ttl: dns?.ttl ?? DEFAULT_TTL,
    endpoint: endpointOf(entry),
    byScript: relay?.setup === "script" && config["chatmail-proxy:tunnel"] !== "none",
  };
}

/** A bought server has no ssh in its entry, and is deleted as a whole; on one that is permanently lost nothing is undone. */
function endpointOf(entry: YAMLMap): EntryState["endpoint"] {
  const { ssh, ipv4, ipv6, gone } = entry.toJSON() as {
    ssh?: { host?: string; port?: number };
    ipv4?: string;
    ipv6?: string;
    gone?: boolean;
  };
  const host = ssh?.host ?? ipv4 ?? ipv6;
  return ssh && host !== undefined && gone !== true ? { host, port: ssh.port ?? 22 } : undefined;
}

/** The file with the proxy drained, and a mark that says since when. */
export function withDrained(text: string, name: string, drain: Drain): string {
  return edited(text, (document) => {
    const entry = list(document).find((each) => each.get("name") === name);
    const value = new Scalar(false);
    value.comment = markOf(drain);
    entry?.set("publish", value);
  });
}

/** The file without the proxy. */
export function without(text: string, name: string): string {
  return edited(text, (document) => {
    const index = list(document).findIndex((entry) => entry.get("name") === name);
    document.deleteIn(["config", PROXIES, index]);
  });
}

const MARK = /^ (?:being )?drained by npm run remove(?:, since (\S+))?(?:, TTL (\d+) s)?(?:, checked (\S+))?$/;

function markOf({ since, ttl, checked }: Drain): string {
  const parts = [
    since && `since ${since.toISOString()}`,
    ttl !== undefined && `TTL ${ttl} s`,
    checked && `checked ${checked.toISOString()}`,
  ];
  return [` ${since ? "" : "being "}drained by npm run remove`, ...parts.filter(Boolean)].join(", ");
}

function readMark(comment: string | null | undefined): Drain {
  const [, since, ttl, checked] = MARK.exec(comment ?? "") ?? [];
  return { since: readTime(since), checked: readTime(checked), ttl: ttl === undefined ? undefined : Number(ttl) };
}

function readTime(text: string | undefined): Date | undefined {
  const time = new Date(text ?? "");
  return Number.isNaN(time.getTime()) ? undefined : time;
}

function read(text: string): Document {
  const document = parseDocument(text);
  if (document.errors[0]) throw new Error(`the stack file is no YAML: ${document.errors[0].message}`);
  return document;
}

function list(document: Document): YAMLMap[] {
  const node = document.getIn(["config", PROXIES]);
  return isSeq(node) ? node.items.filter((item): item is YAMLMap => isMap(item)) : [];
}

function edited(text: string, change: (document: Document) => void): string {
  const document = read(text);
  change(document);
  return document.toString({ lineWidth: 0 });
}
