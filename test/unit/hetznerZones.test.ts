// test/unit/hetznerZones.test.ts: zones and record sets of the fake Hetzner Cloud, and what the name servers are told.
import { expectPublishedForms, startHarness, type Harness, type Json } from "./hetznerHarness";

let cloud: Harness;
beforeEach(async () => (cloud = await startHarness()));
afterEach(async () => {
  expectPublishedForms(cloud);
  await cloud.stop();
});

const newZone = async (more: object = {}): Promise<Json> =>
  (await cloud.done("POST", "/zones", { name: "example.org", mode: "primary", ...more })).zone;
const rrsets = "/zones/example.org/rrsets";
const anA = (more: object = {}) => ({
  name: "chat",
  type: "A",
  ttl: 300,
  records: [{ value: "203.0.113.1" }],
  ...more,
});
const published = () =>
  cloud.room.zones.get("example.org")?.records.map(({ name, ttl, type, value }) => `${name} ${ttl} ${type} ${value}`) ??
  [];
const codeOf = async (method: string, path: string, body?: unknown) => {
  const answer = await cloud.call(method, path, body);
  return [answer.status, answer.body.error?.code];
};

describe("zones", () => {
  it("come with SOA and NS records and are published", async () => {
    const zone = await newZone({ labels: { a: "b" } });
    expect(zone).toMatchObject({
      name: "example.org",
      mode: "primary",
      ttl: 3600,
      record_count: 4,
      primary_nameservers: [],
      authoritative_nameservers: {
        assigned: ["hydrogen.ns.hetzner.com.", "oxygen.ns.hetzner.com.", "helium.ns.hetzner.de."],
      },
      labels: { a: "b" },
    });
    expect(published()[0]).toMatch(
      /^@ 3600 SOA hydrogen\.ns\.hetzner\.com\. dns\.hetzner\.com\. \d{10} 86400 10800 3600000 3600$/,
    );
    expect(published()[1]).toBe("@ 3600 NS hydrogen.ns.hetzner.com.");
    expect((await cloud.call("GET", `/zones/${zone.id}`)).body.zone.status).toBe("ok");
  });

  it("take other name servers from the settings, and record sets from the request", async () => {
    const own = await startHarness({ nameServers: ["ns1.example.net."] });
    await own.done("POST", "/zones", {
      name: "example.org",
      mode: "primary",
      ttl: 120,
      rrsets: [anA({ ttl: undefined })],
    });
    expect(own.room.zones.get("example.org")?.records.slice(1)).toEqual([
      { name: "@", ttl: 120, type: "NS", value: "ns1.example.net." },
      { name: "chat", ttl: 120, type: "A", value: "203.0.113.1" },
    ]);
    await own.stop();
  });

  it.each([
    ["a TTL below 60", { ttl: 59 }],
    ["a TTL that is too long", { ttl: 2147483648 }],
    ["an unknown mode", { mode: "hidden" }],
    ["a subdomain", { name: "chat.example.org" }],
    ["a secondary mode without name servers", { mode: "secondary" }],
    ["a wrong record", { rrsets: [anA({ records: [{ value: "::1" }] })] }],
  ])("are refused with %s", async (_case, more) => {
    expect(await codeOf("POST", "/zones", { name: "example.org", mode: "primary", ...more })).toEqual([
      422,
      "invalid_input",
    ]);
  });

  it("change TTL, labels and protection, and go", async () => {
    const zone = await newZone();
    expect(await codeOf("POST", "/zones", { name: "example.org", mode: "primary" })).toEqual([409, "uniqueness_error"]);
    await cloud.done("POST", "/zones/example.org/actions/change_ttl", { ttl: 60 });
    expect(published()[1]).toBe("@ 60 NS hydrogen.ns.hetzner.com.");
    await cloud.done("POST", `/zones/${zone.id}/actions/change_protection`, { delete: true });
    expect(await codeOf("DELETE", "/zones/example.org")).toEqual([423, "protected"]);
    await cloud.done("POST", `/zones/${zone.id}/actions/change_protection`, { delete: false });
    expect((await cloud.done("PUT", `/zones/${zone.id}`, { labels: { x: "y" } })).zone).toMatchObject({
      labels: { x: "y" },
      ttl: 60,
    });
    expect((await cloud.call("GET", "/zones?mode=secondary")).body.zones).toEqual([]);
    const { status, body } = await cloud.call("DELETE", `/zones/${zone.id}`);
    expect([status, body.action.command]).toEqual([201, "delete_zone"]);
    await cloud.api.settled();
    expect(cloud.room.zones.size).toBe(0);
    expect(await codeOf("GET", "/zones/example.org")).toEqual([404, "not_found"]);
  });

  it("are exported as a zone file", async () => {
    await newZone({ rrsets: [anA()] });
    expect((await cloud.call("GET", "/zones/example.org/zonefile")).body.zonefile).toMatch(
      /^\$ORIGIN\texample\.org\.\n\$TTL\t3600\n\n@\t3600\tIN\tSOA\t[^\n]+\n(@\t[^\n]+\n){3}chat\t300\tIN\tA\t203\.0\.113\.1\n$/,
    );
    expect(await codeOf("POST", "/zones/example.org/actions/import_zonefile", { zonefile: "" })).toEqual([
      422,
      "unsupported_error",
    ]);
  });

  it("in secondary mode have primary name servers and no records of their own", async () => {
    const zone = await newZone({
      mode: "secondary",
      primary_nameservers: [{ address: "198.51.100.1", tsig_algorithm: "hmac-sha256", tsig_key: "YQ==" }],
    });
    expect(zone.primary_nameservers).toEqual([
      { address: "198.51.100.1", port: 53, tsig_algorithm: "hmac-sha256", tsig_key: "YQ==" },
    ]);
    expect(cloud.room.zones.size).toBe(0);
    expect(await codeOf("GET", rrsets)).toEqual([422, "incorrect_zone_mode"]);
    expect(await codeOf("POST", rrsets, anA())).toEqual([422, "incorrect_zone_mode"]);
    expect(await codeOf("POST", "/zones/example.org/actions/change_ttl", { ttl: 60 })).toEqual([
      422,
      "incorrect_zone_mode",
    ]);
    await cloud.done("POST", "/zones/example.org/actions/change_primary_nameservers", {
      primary_nameservers: [{ address: "2001:db8::1", port: 5353 }],
    });
    expect((await cloud.call("GET", "/zones/example.org")).body.zone.primary_nameservers).toEqual([
      { address: "2001:db8::1", port: 5353 },
    ]);
    expect(JSON.stringify(cloud.log)).not.toContain("YQ==");
  });
});

describe("record sets", () => {
  beforeEach(() => newZone());

  it("are found by name and type, and published with the zone", async () => {
    const { rrset, action } = await cloud.done(
      "POST",
      rrsets,
      anA({ records: [{ value: "203.0.113.1", comment: "hel1" }, { value: "203.0.113.2" }], labels: { stack: "lab" } }),
    );
    expect(rrset).toMatchObject({
      id: "chat/A",
      name: "chat",
      type: "A",
      ttl: 300,
      labels: { stack: "lab" },
      protection: { change: false },
      records: [{ value: "203.0.113.1", comment: "hel1" }, { value: "203.0.113.2" }],
    });
    expect(action.command).toBe("create_rrset");
    expect((await cloud.call("GET", `${rrsets}/chat/A`)).body.rrset.id).toBe("chat/A");
    expect((await cloud.call("GET", `${rrsets}/%40/NS`)).body.rrset.records).toHaveLength(3);
    expect((await cloud.call("GET", `${rrsets}?type=A&type=AAAA`)).body.rrsets).toHaveLength(1);
    expect((await cloud.call("GET", `${rrsets}?name=@&sort=id&per_page=100`)).body.meta.pagination).toMatchObject({
      total_entries: 2,
      per_page: 100,
    });
    expect(published().slice(4)).toEqual(["chat 300 A 203.0.113.1", "chat 300 A 203.0.113.2"]);
    expect(await codeOf("GET", `${rrsets}/chat/AAAA`)).toEqual([404, "not_found"]);
  });

  it("take over the zone's TTL when they have none", async () => {
    await cloud.done("POST", rrsets, anA());
    await cloud.done("POST", `${rrsets}/chat/A/actions/change_ttl`, { ttl: null });
    expect((await cloud.call("GET", `${rrsets}/chat/A`)).body.rrset.ttl).toBeNull();
    expect(published().at(-1)).toBe("chat 3600 A 203.0.113.1");
    await cloud.done("POST", `${rrsets}/chat/A/actions/change_ttl`, { ttl: 60 });
    expect(published().at(-1)).toBe("chat 60 A 203.0.113.1");
    expect(await codeOf("POST", `${rrsets}/chat/A/actions/change_ttl`, { ttl: 5 })).toEqual([422, "invalid_input"]);
    expect(await codeOf("POST", `${rrsets}/chat/A/actions/change_ttl`, {})).toEqual([422, "invalid_input"]);
  });

  it("raise the SOA's serial with every change", async () => {
    const serial = () => Number(published()[0]?.split(" ")[5]);
    const before = serial();
    await cloud.done("POST", rrsets, anA());
    await cloud.done("DELETE", `${rrsets}/chat/A`);
    expect(serial()).toBe(before + 2);
    expect(String(before)).toMatch(new RegExp(`^${new Date().toISOString().slice(0, 10).replaceAll("-", "")}`));
  });

  it("get, lose, replace and comment single records", async () => {
    const act = (action: string, records: object[], more: object = {}) =>
      cloud.done("POST", `${rrsets}/chat/A/actions/${action}`, { records, ...more });
    const records = async () => (await cloud.call("GET", `${rrsets}/chat/A`)).body.rrset?.records;
    await act("add_records", [{ value: "203.0.113.1" }], { ttl: 300 });
    await act("add_records", [{ value: "203.0.113.2" }]);
    expect(
      await codeOf("POST", `${rrsets}/chat/A/actions/add_records`, { records: [{ value: "203.0.113.2" }] }),
    ).toEqual([422, "invalid_input"]);
    expect(
      await codeOf("POST", `${rrsets}/chat/A/actions/add_records`, { records: [{ value: "203.0.113.3" }], ttl: 60 }),
    ).toEqual([422, "invalid_input"]);
    const { status } = await cloud.call("POST", `${rrsets}/chat/A/actions/update_records`, {
      records: [{ value: "203.0.113.2", comment: "ash1" }],
    });
    expect(status).toBe(200);
    expect(await records()).toEqual([{ value: "203.0.113.1" }, { value: "203.0.113.2", comment: "ash1" }]);
    await act("set_records", [{ value: "203.0.113.9" }]);
    expect(await records()).toEqual([{ value: "203.0.113.9" }]);
    expect(
      await codeOf("POST", `${rrsets}/chat/A/actions/remove_records`, { records: [{ value: "203.0.113.1" }] }),
    ).toEqual([404, "not_found"]);
    await act("remove_records", [{ value: "203.0.113.9" }]);
    expect(await records()).toBeUndefined();
    expect(published()).toHaveLength(4);
  });

  it("change labels by PUT, and nothing else", async () => {
    await cloud.done("POST", rrsets, anA());
    expect((await cloud.done("PUT", `${rrsets}/chat/A`, { labels: { a: "b" } })).rrset).toMatchObject({
      labels: { a: "b" },
      ttl: 300,
    });
    const { status, body } = await cloud.call("PUT", `${rrsets}/chat/A`, { records: [] });
    expect([status, body.error]).toEqual([
      422,
      { code: "invalid_input", message: "can't update records with this endpoint", details: null },
    ]);
  });

  it("stay as they are while they are protected", async () => {
    await cloud.done("POST", rrsets, anA());
    await cloud.done("POST", `${rrsets}/chat/A/actions/change_protection`, { change: true });
    for (const [action, body] of [
      ["set_records", { records: [{ value: "203.0.113.2" }] }],
      ["add_records", { records: [{ value: "203.0.113.2" }] }],
      ["change_ttl", { ttl: 60 }],
    ] as const)
      expect(await codeOf("POST", `${rrsets}/chat/A/actions/${action}`, body)).toEqual([423, "protected"]);
    expect(await codeOf("DELETE", `${rrsets}/chat/A`)).toEqual([423, "protected"]);
    await cloud.done("POST", `${rrsets}/chat/A/actions/change_protection`, { change: false });
    await cloud.done("DELETE", `${rrsets}/chat/A`);
  });

  it.each([
    [
      "a taken name and type",
      anA({ name: "@", type: "NS", records: [{ value: "a.example.net." }] }),
      409,
      "uniqueness_error",
    ],
    [
      "a CNAME beside other records",
      anA({ name: "@", type: "CNAME", records: [{ value: "a.example.net." }] }),
      422,
      "invalid_input",
    ],
    [
      "two records in a CNAME",
      anA({ type: "CNAME", records: [{ value: "a." }, { value: "b." }] }),
      422,
      "invalid_input",
    ],
    ["an SOA", anA({ type: "SOA", records: [{ value: "x" }] }), 422, "invalid_input"],
    ["no records", anA({ records: [] }), 422, "invalid_input"],
    [
      "the same record twice",
      anA({ records: [{ value: "203.0.113.1" }, { value: "203.0.113.1" }] }),
      422,
      "invalid_input",
    ],
    [
      "51 records",
      anA({ records: Array.from({ length: 51 }, (_, index) => ({ value: `203.0.113.${index}` })) }),
      422,
      "invalid_input",
    ],
    ["an unknown type", anA({ type: "LOC" }), 422, "invalid_input"],
    ["a name in capitals", anA({ name: "Chat" }), 422, "invalid_input"],
    ["a TTL of 5", anA({ ttl: 5 }), 422, "invalid_input"],
  ])("are refused with %s", async (_case, rrset, status, code) => {
    expect(await codeOf("POST", rrsets, rrset)).toEqual([status, code]);
  });

  it("cannot stand beside a CNAME of the same name", async () => {
    await cloud.done("POST", rrsets, anA({ type: "CNAME", records: [{ value: "relay.example.net." }] }));
    expect(await codeOf("POST", rrsets, anA())).toEqual([422, "invalid_input"]);
    expect(
      await codeOf("POST", `${rrsets}/chat/A/actions/add_records`, { records: [{ value: "203.0.113.1" }] }),
    ).toEqual([422, "invalid_input"]);
  });

  it("leave SOA and NS of the zone itself in place", async () => {
    expect(await codeOf("DELETE", `${rrsets}/@/SOA`)).toEqual([422, "invalid_input"]);
    expect(await codeOf("DELETE", `${rrsets}/@/NS`)).toEqual([422, "invalid_input"]);
  });

  it("end their action in an error when the name servers fail", async () => {
    cloud.room.failNext("publish", "disk full");
    const { action } = await cloud.done("POST", rrsets, anA());
    expect((await cloud.call("GET", `/actions/${action.id}`)).body.action).toMatchObject({
      status: "error",
      error: { message: "disk full" },
    });
  });
});
