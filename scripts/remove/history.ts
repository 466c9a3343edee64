// What `pulumi stack history --json` tells of the runs before this one. Pure.

export interface Update {
  readonly start: Date;
  readonly succeeded: boolean;
  /** dns.ttl as it was then, in seconds; undefined where the settings had no dns. */
  readonly ttl: number | undefined;
}

/** The default of dns.ttl, in seconds. */
export const DEFAULT_TTL = 300;

interface Entry {
  readonly startTime: string;
  readonly result: string;
  readonly config?: Readonly<Record<string, { readonly value?: string }>>;
}

/** The latest first; undefined when the text is no such history. */
export function readHistory(text: string): Update[] | undefined {
  try {
    return (JSON.parse(text) as Entry[])
      .map(({ startTime, result, config }) => {
        const dns = config?.["chatmail-proxy:dns"]?.value;
        return {
          start: new Date(startTime),
          succeeded: result === "succeeded",
          ttl: dns === undefined ? undefined : ((JSON.parse(dns) as { ttl?: number }).ttl ?? DEFAULT_TTL),
        };
      })
      .sort((a, b) => b.start.getTime() - a.start.getTime());
  } catch {
    return undefined;
  }
}

/** The longest TTL that the records may have: a run that failed may have left them as the one before had made them. */
export function longestTtl(updates: readonly Update[]): number {
  const last = updates.findIndex(({ succeeded }) => succeeded);
  return Math.max(0, ...updates.slice(0, last < 0 ? undefined : last + 1).map(({ ttl }) => ttl ?? 0));
}

/** Whether nobody ran anything after that time. */
export const untouchedSince = (updates: readonly Update[], time: Date): boolean =>
  updates.length > 0 && updates.every(({ start }) => start <= time);
