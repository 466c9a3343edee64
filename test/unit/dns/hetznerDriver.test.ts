import type { OnDestroyJob } from "../../../components/dns/driver/job";
import { runOperation } from "../../../components/dns/driver/run";
import { expectPublishedForms, startHarness, token, type Harness } from "../hetznerHarness";

let cloud: Harness;
beforeEach(async () => {
  cloud = await startHarness();
  await cloud.done("POST", "/zones", { name: "example.org", mode: "primary" });
});
afterEach(async () => {
  expectPublishedForms(cloud);
  await cloud.stop();
});

const OURS = { "managed-by": "chatmail-proxy", stack: "prod" };
const rrset = (name: string, type: string, values: string[], labels: object = OURS) =>
  cloud.done("POST", "/zones/example.org/rrsets", {
    name,
    type,
    ttl: 300,
    labels,
    records: values.map((value) => ({ value })),
  });
const job = (more: Partial<OnDestroyJob> = {}): OnDestroyJob => ({
  access: { provider: "hetzner", zone: "example.org", api: cloud.endpoint, token },
  stack: "prod",
  name: "chat.example.org",
  ttl: 300,
  unwanted: [],
  relay: { A: ["198.51.100.20"], AAAA: [] },
  ...more,
});
const restore = (more: Partial<OnDestroyJob> = {}) => runOperation({ verb: "restore", job: job(more) });
const hold = (more: Partial<OnDestroyJob> = {}) => runOperation({ verb: "hold", job: job(more) });

async function sets(): Promise<string[]> {
  const { rrsets } = (await cloud.done("GET", "/zones/example.org/rrsets")) as unknown as {
    rrsets: { name: string; type: string; records: { value: string }[]; labels: object }[];
  };
  return rrsets
    .filter(({ type }) => type === "A" || type === "AAAA")
    .map(
      ({ name, type, records, labels }) =>
        `${name} ${type} ${records.map(({ value }) => value).join(",")} ${JSON.stringify(labels)}`,
    )
    .sort();
}

describe("restore", () => {
  it("puts the relay's own address in place of ours by one call, takes our labels off, and drops the other family", async () => {
    await rrset("chat", "A", ["203.0.113.1", "203.0.113.2"], { ...OURS, mine: "1" });
    await rrset("chat", "AAAA", ["2001:db8::1"]);
    expect(await restore()).toEqual(["chat.example.org A holds the relay's own 198.51.100.20 now"]);
    expect(await sets()).toEqual(['chat A 198.51.100.20 {"mine":"1"}']);
    // The address is there before the other family goes.
    const changes = cloud.log
      .filter(({ method, path }) => method !== "GET" && path.includes("chat"))
      .map(({ method, path }) => `${method} ${path.replace(/^.*rrsets/, "")}`);
    expect(changes).toEqual(["POST /chat/A/actions/set_records", "PUT /chat/A", "DELETE /chat/AAAA"]);
  });

  it("brings a family that was not published", async () => {
    await rrset("chat", "A", ["203.0.113.1"]);
    await restore({ relay: { A: [], AAAA: ["2001:db8::20"] } });
    expect(await sets()).toEqual(["chat AAAA 2001:db8::20 {}"]);
  });

  it("works at the zone's top", async () => {
    await rrset("@", "A", ["203.0.113.1"]);
    await restore({ name: "example.org" });
    expect(await sets()).toEqual(["@ A 198.51.100.20 {}"]);
  });

  it.each([
    ["nobody's", {}],
    ["another stack's", { ...OURS, stack: "other" }],
  ])("leaves a set that is %s", async (_whose, labels) => {
    await rrset("chat", "A", ["203.0.113.1"], labels);
    expect(await restore()).toEqual(["chat.example.org holds no addresses of this stack's: left as it is"]);
    expect(await sets()).toHaveLength(1);
  });

  it("says what is wrong", async () => {
    await rrset("chat", "A", ["203.0.113.1"]);
    const access = job().access as { provider: "hetzner"; zone: string; api: string; token: string };
    await expect(restore({ access: { ...access, token: "x".repeat(64) } })).rejects.toThrow(
      /^Hetzner Cloud refused GET \/zones\/example\.org\/rrsets\/chat\/A(AA)?: .* \(unauthorized\)$/,
    );
    await expect(restore({ access: { ...access, api: "http://127.0.0.1:65535/v1" } })).rejects.toThrow(
      "Hetzner Cloud's API cannot be reached: connect ECONNREFUSED",
    );
  });
});

describe("hold", () => {
  it("drops a family of ours that is wanted no more, and nothing else", async () => {
    await rrset("chat", "A", ["203.0.113.1"]);
    await rrset("chat", "AAAA", ["2001:db8::1"]);
    await hold({ unwanted: ["AAAA"] });
    expect(await sets()).toEqual([`chat A 203.0.113.1 ${JSON.stringify(OURS)}`]);
  });

  it("leaves a family of others", async () => {
    await rrset("chat", "AAAA", ["2001:db8::1"], {});
    await hold({ unwanted: ["A", "AAAA"] });
    expect(await sets()).toHaveLength(1);
  });
});
