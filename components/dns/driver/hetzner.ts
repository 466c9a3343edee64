// Record sets at Hetzner Cloud, as far as they are not hcloud.ZoneRrset's: what becomes of them when the stack goes.
import { z } from "zod";
import { callApi } from "../apiCall";
import type { RecordType } from "../recordSets";
import { MANAGED_BY } from "../zone";
import type { Access, Backend, Change, PresentSet } from "./job";

const TYPES: readonly RecordType[] = ["A", "AAAA"];

const rrset = z.object({
  rrset: z.object({
    ttl: z.number().nullish(),
    labels: z.record(z.string(), z.string()),
    records: z.array(z.object({ value: z.string() })),
  }),
});
const action = z.object({
  action: z.object({
    id: z.number(),
    status: z.string(),
    error: z.object({ code: z.string(), message: z.string() }).nullish(),
  }),
});
const failure = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

/** For an action, in milliseconds. */
const TIMEOUT = 30_000;
const POLL = 500;

export function hetznerBackend(access: Access & { provider: "hetzner" }): Backend {
  const { zone } = access;
  const { call, act } = hetznerApi(access);
  const sets = `/zones/${encodeURIComponent(zone)}/rrsets`;
  const labelOf = (name: string) => (name === zone ? "@" : name.slice(0, -zone.length - 1));
  const path = (name: string, type: RecordType) => `${sets}/${encodeURIComponent(labelOf(name))}/${type}`;
  const setOf = async (name: string, type: RecordType) =>
    rrset.safeParse(await call("GET", path(name, type))).data?.rrset;

  async function change({ name, type, set, mark, seen }: Change): Promise<void> {
    const there = seen.values.length > 0;
    const records = set?.values.map((value) => ({ value }));
    if (records?.length === 0) return there ? act("DELETE", path(name, type)) : undefined;
    if (records && !there) return act("POST", sets, { name: labelOf(name), type, ttl: set?.ttl, records });
    if (records) await act("POST", `${path(name, type)}/actions/set_records`, { records });
    if (mark === undefined) {
      const labels = (await setOf(name, type))?.labels ?? {};
      const kept = Object.entries(labels).filter(([key]) => key !== MANAGED_BY && key !== "stack");
      await call("PUT", path(name, type), { labels: Object.fromEntries(kept) });
    }
  }

  return {
    read: async (name) =>
      (await Promise.all(TYPES.map(async (type) => presentSet(type, await setOf(name, type))))).flat(),

    // One call for each set; what is added comes before what goes, so that there is no moment without an address.
    async apply(changes) {
      const goes = (each: Change) => (each.set?.values.length === 0 ? 1 : 0);
      for (const each of [...changes].sort((a, b) => goes(a) - goes(b))) await change(each);
    },
  };
}

/** None where there is no such set. */
function presentSet(type: RecordType, found: z.output<typeof rrset>["rrset"] | undefined): PresentSet[] {
  if (!found) return [];
  const stack = found.labels[MANAGED_BY] === "chatmail-proxy" ? found.labels.stack : undefined;
  return [
    {
      type,
      ttl: found.ttl ?? undefined,
      values: found.records.map(({ value }) => value),
      mark: stack === undefined ? undefined : { stack, digest: undefined },
    },
  ];
}

/** Both functions throw an Error in words for the operator. */
function hetznerApi({ zone, api, token }: Access & { provider: "hetzner" }) {
  /** The answer's body; undefined for what is not there. */
  async function call(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await callApi({ service: "Hetzner Cloud", url: `${api}${path}`, method, token, body });
    if (answer.ok) return answer.body;
    if (answer.status === 404) return undefined;
    const said = failure.safeParse(answer.body).data?.error;
    throw new Error(
      `Hetzner Cloud refused ${method} ${path}: ${said ? `${said.message} (${said.code})` : `status ${answer.status}`}`,
    );
  }

  /** A call that starts an action; returns when the action has ended. */
  async function act(method: string, path: string, body?: unknown): Promise<void> {
    let answer = await call(method, path, body);
    for (const end = Date.now() + TIMEOUT; ;) {
      const started = action.safeParse(answer).data?.action;
      if (!started)
        throw new Error(`Hetzner Cloud answered ${method} ${path} without an action: is the zone ${zone} still there?`);
      if (started.status === "success") return;
      if (started.status === "error")
        throw new Error(`Hetzner Cloud failed to do ${method} ${path}: ${started.error?.message ?? "no reason given"}`);
      if (Date.now() > end)
        throw new Error(`Hetzner Cloud did not finish ${method} ${path} within ${TIMEOUT / 1000} s`);
      await new Promise((resolve) => setTimeout(resolve, POLL));
      answer = await call("GET", `/actions/${started.id}`);
    }
  }

  return { call, act };
}
