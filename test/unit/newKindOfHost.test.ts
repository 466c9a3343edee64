// "A new kind is one file": one that only the table of kinds names goes all the way, settings to records.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { aStack, type StackCase } from "./aStack";
import { ADDRESS } from "./rentedKind";

jest.mock("../../components/hosts/kinds", () => {
  const actual = jest.requireActual<{ KINDS: readonly unknown[] }>("../../components/hosts/kinds");
  return {
    get KINDS() {
      return [...actual.KINDS, jest.requireActual<{ rented: unknown }>("./rentedKind").rented];
    },
  };
});

const shop = { name: "shop", host: "rented", street: "main" };
const stack = ({ settings = {}, ...rest }: StackCase = {}) => aStack({ proxies: [shop], ...rest, settings: { "rented:token": "t", ...settings }, secretKeys: ["hcloud:token", "rented:token"] });

it("is set up, proven and published like any other", async () => {
  const run = await stack();
  expect(run.errors).toEqual([]);
  expect(run.one("command:remote:Command", "shop-through").inputs.connection).toMatchObject({ host: ADDRESS, port: 2200 });
  expect(run.one("hcloud:index/zoneRrset:ZoneRrset", "mail-domain-A").inputs.records).toMatchObject([{ value: ADDRESS }]);
  expect(run.outputs.lastRun).toMatchObject({ proxies: { shop: { host: "rented", street: "main" } } });
});

it("has its faults named by their keys, beside those of the others", async () => {
  await expect(stack({ proxies: [{ ...shop, street: "NO" }, { name: "x", host: "lent" }], settings: { "rented:token": undefined } })).rejects.toThrow(/proxies\[0\]\.street: [^]*proxies\[1\]\.host: "lent" is not a kind of host\. Use one of "hetzner", "linux", "freebsd", "rented"\./);
  await expect(stack({ settings: { "rented:token": undefined } })).rejects.toThrow("rented:token is missing.");
  await expect(stack({ settings: { ports: [25, 2200] } })).rejects.toThrow("ports[1]: 2200 is the proxy's own SSH port");
});

it("says what may not change in one step", async () => {
  const before = (await stack()).outputs;
  await expect(stack({ before, proxies: [{ ...shop, street: "side" }] })).rejects.toThrow("proxies[0].street: was main.");
  await expect(stack({ before, proxies: [{ name: "shop", host: "hetzner", location: "hel1" }] })).rejects.toThrow('proxies[0].host: was "rented" until now.');
});

it("is left alone while it does not answer, and warned of for its network and its reboots", async () => {
  expect((await stack({ silent: [ADDRESS] })).one("command:remote:Command", "shop-filter").options.ignoreChanges).toContain("create");
  expect((await stack({ proxies: [shop, { ...shop, name: "shop2" }] })).warnings).toContainEqual(expect.stringContaining("stand in one network, AS64500"));
});

it("is looked behind nowhere outside components/hosts", () => {
  const root = join(__dirname, "../..");
  const files = ["index.ts", ...readdirSync(join(root, "components"), { recursive: true, encoding: "utf8" }).map((path) => join("components", path))].filter((path) => path.endsWith(".ts") && !path.startsWith(join("components", "hosts")));
  expect(files.length).toBeGreaterThan(50);
  expect(files.filter((path) => /\bhost\s*[!=]==?\s*["']|case "(hetzner|linux|freebsd)":\n.*Host/.test(readFileSync(join(root, path), "utf8")))).toEqual([]);
});
