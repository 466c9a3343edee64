// test/unit/hetznerHttp.test.ts: what all resources of the fake Hetzner Cloud share in requests and answers: tokens, errors, lists, limits.
import {
  aPublicKey,
  anotherPublicKey,
  expectPublishedForms,
  readOnlyToken,
  startHarness,
  token,
  type Harness,
} from "./hetznerHarness";

let cloud: Harness;
beforeEach(async () => (cloud = await startHarness()));
afterEach(async () => {
  expectPublishedForms(cloud);
  await cloud.stop();
});

async function makeKeys(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const bytes = Buffer.concat([
      Buffer.from("0000000b7373682d6564323535313900000020", "hex"),
      Buffer.alloc(32, index + 1),
    ]);
    await cloud.done("POST", "/ssh_keys", {
      name: `key-${index}`,
      public_key: `ssh-ed25519 ${bytes.toString("base64")}`,
      labels: { index: String(index), odd: index % 2 ? "yes" : "no" },
    });
  }
}

describe("tokens", () => {
  it.each([
    ["no token", {}, "unauthorized"],
    ["a wrong token", { authorization: `Bearer ${"x".repeat(64)}` }, "unauthorized"],
    ["another scheme", { authorization: `Basic ${token}` }, "unauthorized"],
  ])("answers 401 to %s", async (_case, headers, code) => {
    const { status, body } = await cloud.call("GET", "/servers", undefined, { authorization: "", ...headers });
    expect([status, body.error.code]).toEqual([401, code]);
  });

  it("lets the read-only token read, and nothing else", async () => {
    const headers = { authorization: `Bearer ${readOnlyToken}` };
    expect((await cloud.call("GET", "/ssh_keys", undefined, headers)).status).toBe(200);
    const { status, body } = await cloud.call("POST", "/ssh_keys", { name: "a", public_key: aPublicKey }, headers);
    expect([status, body.error.code]).toEqual([401, "token_readonly"]);
  });

  it("refuses to start with a token that has not 64 characters", async () => {
    await expect(startHarness({ token: "short" })).rejects.toThrow("token: has 5 characters, must have 64");
  });
});

describe("errors", () => {
  it.each([
    ["GET", "/nothing", undefined, 404, "not_found"],
    ["GET", "/servers/1", undefined, 404, "not_found"],
    ["GET", "/servers/abc", undefined, 404, "not_found"],
    ["PATCH", "/servers", undefined, 405, "method_not_allowed"],
    ["POST", "/servers", "{", 400, "json_error"],
    ["POST", "/servers", "[]", 400, "json_error"],
    ["GET", "/actions", undefined, 410, "deprecated_api_endpoint"],
    ["POST", "/volumes", {}, 422, "unsupported_error"],
  ])("answers %s %s with the body %p by %i %s", async (method, path, body, status, code) => {
    const answer = await cloud.call(method, path, body);
    expect([answer.status, answer.body.error.code]).toEqual([status, code]);
  });

  it("names every wrong field in one answer", async () => {
    const { status, body } = await cloud.call("POST", "/ssh_keys", {
      name: 7,
      public_key: "ssh-ed25519 nonsense",
      labels: { "-": "x" },
    });
    expect(status).toBe(422);
    expect(body.error.message).toBe("invalid input in fields 'name', 'labels', 'public_key'");
    expect(body.error.details.fields.map((field: { name: string }) => field.name)).toEqual([
      "name",
      "labels",
      "public_key",
    ]);
  });

  it("names the field of a taken name", async () => {
    await cloud.done("POST", "/ssh_keys", { name: "a", public_key: aPublicKey });
    const { status, body } = await cloud.call("POST", "/ssh_keys", { name: "a", public_key: anotherPublicKey });
    expect([status, body.error.code, body.error.details]).toEqual([
      409,
      "uniqueness_error",
      { fields: [{ name: "name" }] },
    ]);
  });
});

describe("lists", () => {
  it("come in pages of 25, with the rest named in meta and Link", async () => {
    await makeKeys(30);
    const first = await cloud.call("GET", "/ssh_keys");
    expect(first.body.ssh_keys).toHaveLength(25);
    expect(first.body.meta.pagination).toEqual({
      page: 1,
      per_page: 25,
      previous_page: null,
      next_page: 2,
      last_page: 2,
      total_entries: 30,
    });
    expect(first.headers.get("link")).toBe(
      `<${cloud.endpoint}/ssh_keys?page=2&per_page=25>; rel="next", <${cloud.endpoint}/ssh_keys?page=2&per_page=25>; rel="last"`,
    );
    const second = await cloud.call("GET", "/ssh_keys?page=2");
    expect(second.body.ssh_keys).toHaveLength(5);
    expect(second.body.meta.pagination).toMatchObject({ previous_page: 1, next_page: null });
  });

  it("have at most 50 entries a page", async () => {
    expect((await cloud.call("GET", "/ssh_keys?per_page=1000")).body.meta.pagination.per_page).toBe(50);
  });

  it.each(["page=0", "page=x", "per_page=-1", "sort=labels", "sort=name:up", "label_selector=a%20in%20b"])(
    "refuse ?%s",
    async (query) => {
      expect((await cloud.call("GET", `/ssh_keys?${query}`)).body.error.code).toBe("invalid_input");
    },
  );

  it("filter by name and sort", async () => {
    await makeKeys(3);
    expect((await cloud.call("GET", "/ssh_keys?name=key-1")).body.ssh_keys).toHaveLength(1);
    const { body } = await cloud.call("GET", "/ssh_keys?sort=name:desc");
    expect(body.ssh_keys.map((key: { name: string }) => key.name)).toEqual(["key-2", "key-1", "key-0"]);
  });

  it.each([
    ["odd=yes", ["key-1"]],
    ["odd==no", ["key-0", "key-2"]],
    ["odd!=yes", ["key-0", "key-2"]],
    ["odd", ["key-0", "key-1", "key-2"]],
    ["!odd", []],
    ["index in (0, 2)", ["key-0", "key-2"]],
    ["index notin (0,2)", ["key-1"]],
    ["odd=no,index!=0", ["key-2"]],
  ])("filter by the label selector %s", async (selector, names) => {
    await makeKeys(3);
    const { body } = await cloud.call("GET", `/ssh_keys?label_selector=${encodeURIComponent(selector)}`);
    expect(body.ssh_keys.map((key: { name: string }) => key.name)).toEqual(names);
  });

  it("are empty for kinds that the fake never has", async () => {
    expect((await cloud.call("GET", "/volumes")).body.volumes).toEqual([]);
  });
});

describe("fixed facts", () => {
  it("has the six locations with their network zones", async () => {
    const { body } = await cloud.call("GET", "/locations");
    expect(
      body.locations.map((one: { name: string; network_zone: string }) => `${one.name} ${one.network_zone}`),
    ).toEqual([
      "fsn1 eu-central",
      "nbg1 eu-central",
      "hel1 eu-central",
      "ash us-east",
      "hil us-west",
      "sin ap-southeast",
    ]);
    expect((await cloud.call("GET", "/datacenters")).body.datacenters).toHaveLength(6);
  });

  it("has the images for each architecture", async () => {
    for (const name of ["debian-12", "debian-13", "ubuntu-24.04"])
      for (const architecture of ["x86", "arm"])
        expect(
          (await cloud.call("GET", `/images?name=${name}&architecture=${architecture}&include_deprecated=true`)).body
            .images,
        ).toHaveLength(1);
  });

  it("has server types with prices in their locations, and a deprecated one", async () => {
    const { body } = await cloud.call("GET", "/server_types?name=cx23");
    expect(body.server_types[0]).toMatchObject({ architecture: "x86", deprecation: null });
    expect(body.server_types[0]?.prices.map((price) => price.location)).toEqual(["fsn1", "nbg1", "hel1"]);
    expect(
      (await cloud.call("GET", "/server_types?name=cx22")).body.server_types[0]?.deprecation.unavailable_after,
    ).toBe("2025-12-31T23:59:59Z");
    expect((await cloud.call("GET", "/pricing")).body.pricing.currency).toBe("EUR");
  });
});

describe("limits", () => {
  it("tells in each answer how many requests are left", async () => {
    const { headers } = await cloud.call("GET", "/locations");
    expect([headers.get("ratelimit-limit"), headers.get("ratelimit-remaining")]).toEqual(["3600", "3599"]);
    expect(Number(headers.get("ratelimit-reset"))).toBeGreaterThanOrEqual(Math.floor(Date.now() / 1000));
  });

  it("answers 429 when none is left", async () => {
    const small = await startHarness({ rateLimit: 2 });
    const statuses = [
      await small.call("GET", "/locations"),
      await small.call("GET", "/locations"),
      await small.call("GET", "/locations"),
    ];
    await small.stop();
    expect(statuses.map(({ status, body }) => body.error?.code ?? status)).toEqual([200, 200, "rate_limit_exceeded"]);
  });

  it("refuses more of a kind than the project may have", async () => {
    const small = await startHarness({ limits: { ssh_keys: 1 } });
    await small.done("POST", "/ssh_keys", { name: "a", public_key: aPublicKey });
    const { status, body } = await small.call("POST", "/ssh_keys", { name: "b", public_key: anotherPublicKey });
    await small.stop();
    expect([status, body.error]).toEqual([
      403,
      {
        code: "resource_limit_exceeded",
        message: "ssh_key_limit exceeded",
        details: { limits: [{ name: "ssh_key_limit" }] },
      },
    ]);
  });
});
