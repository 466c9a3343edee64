// The mail domain's A and AAAA: all proxies that are wanted there and healthy.
import * as pulumi from "@pulumi/pulumi";
import type { Family } from "../addresses";
import { decideRecordSets, recordAdvice, type ExistingSet, type RecordDecision, type RecordType } from "./recordSets";
import type { DnsZone } from "./zone";

export interface MailDomainArgs {
  readonly mailDomain: string;
  readonly zone: DnsZone;
  /** Addresses of both families at which the relay answers; undefined in a preview that cannot know yet. */
  readonly healthy: readonly string[] | undefined;
  /** Addresses of which nothing is known in this run: they stay if they are published. */
  readonly unchecked: readonly string[];
  /** All addresses of the proxies in the settings. */
  readonly own: readonly string[];
  /** Families that some proxy should serve, and none does. */
  readonly failing: readonly Family[];
  /** The proxies: their addresses leave the records before they themselves go. */
  readonly proxies: readonly pulumi.Resource[];
}

export class MailDomain extends pulumi.ComponentResource {
  /** What the record sets hold after this run. */
  readonly published: readonly string[];
  /** Addresses that stay in the records, since no proxy is healthy, and that belong to none of them. */
  readonly unknownAddresses: readonly string[];
  /** What else in the zone should be looked at: messages. */
  readonly advice: readonly string[];

  constructor(name: string, args: MailDomainArgs, opts?: pulumi.ComponentResourceOptions) {
    super("chatmail-proxy:dns:MailDomain", name, {}, opts);
    // A set in a manual zone has no mark of ours: it is ours once it names a proxy.
    const markOurs = (sets: readonly ExistingSet[]) =>
      sets.map((set) => ({ ...set, ours: set.values.some((value) => args.own.includes(value)) }));
    const existing = args.zone.manual ? markOurs(args.zone.existing) : args.zone.existing;
    const answered = args.zone.manual ? markOurs(args.zone.manual.answered) : existing;
    const present = new Set(
      answered.filter((set) => set.ours && set.name === args.mailDomain).flatMap(({ values }) => values),
    );
    const decisions = decideRecordSets(
      args.mailDomain,
      [...(args.healthy ?? []), ...args.unchecked.filter((address) => present.has(address))],
      answered,
      args.failing,
    );
    const types: RecordType[] = ["A", "AAAA"];
    const sets = types.flatMap((type) => {
      const values: pulumi.Input<string>[] = args.healthy ? [...valuesOf(decisions[type])] : [UNKNOWN];
      return values.length > 0
        ? [
            args.zone.recordSet(
              `${name}-${type}`,
              { name: args.mailDomain, type, values, isMailDomain: true },
              { parent: this, dependsOn: [...args.proxies] },
            ),
          ]
        : [];
    });
    const unwanted = args.healthy
      ? types.filter((type) => valuesOf(decisions[type]).length === 0)
      : (pulumi.output(pulumi.unknown) as pulumi.Output<RecordType[]>);
    args.zone.onDestroy(`${name}-farewell`, { name: args.mailDomain, unwanted }, { parent: this, dependsOn: sets });
    this.unknownAddresses = types
      .flatMap((type) => (decisions[type].kind === "keep" ? valuesOf(decisions[type]) : []))
      .filter((address) => args.healthy && !args.own.includes(address));
    this.published = types.flatMap((type) => valuesOf(decisions[type]));
    this.advice = args.healthy ? recordAdvice(args.mailDomain, decisions, existing, answered) : [];
    this.registerOutputs({});
  }
}

const valuesOf = (decision: RecordDecision) => (decision.kind === "none" ? [] : decision.values);

// A preview then shows that the sets will be there, and that it does not know yet with what.
const UNKNOWN = pulumi.output(pulumi.unknown) as pulumi.Output<string>;
