// Machines on which nothing is left of what we set up, as after a backup of an earlier day; and one that lets us in no
// more. Two proxies, so that there is somebody to be held up.
import { proveMail } from "../../scripts/lab/mail";
import { waitFor } from "../../scripts/lab/wait";
import { failed, succeeded, theLab, type Config, type TheLab } from "./theLab";

jest.setTimeout(300_000);

let the: TheLab;

beforeAll(async () => {
  the = await theLab({ proxies: ["hel1", "ash1"] });
});
afterAll(() => the?.close());

const published = async () => {
  const { rrsets } = await the.api<{ rrsets: { name: string; type: string; records: { value: string }[] }[] }>(
    "GET",
    "/zones/example.org/rrsets?per_page=50",
  );
  return rrsets
    .filter(({ name, type }) => name === "chat" && (type === "A" || type === "AAAA"))
    .flatMap(({ records }) => records.map(({ value }) => value))
    .sort();
};
const all = async () => (await Promise.all(["hel1", "ash1"].map((name) => the.addresses(name)))).flat().sort();

describe("a proxy and the relay that are as they were before us", () => {
  it("are told by a preview, and set up again by one run, with all that leads to the other proxy", async () => {
    const before = await published();
    for (const host of ["hel1", "relay"]) await the.sh(host, "/usr/local/lib/chatmail-proxy/hostctl uninstall");
    const foreseen = succeeded(await the.preview(undefined, []));
    for (const host of ["hel1", "relay"])
      expect(foreseen).toContain(
        `${host}: not as it was brought in (nothing of chatmail-proxy is there any more). pulumi up puts it back.`,
      );
    succeeded(await the.up());
    expect(await published()).toEqual(before);
    for (const address of await all()) await proveMail(the.lab, address);
    expect(succeeded(await the.up())).toMatch(/Resources:\n {4}\d+ unchanged\n/);
  });
});

describe("a proxy that lets us in no more", () => {
  const KEYS = "/root/.ssh/authorized_keys";
  const changed = (config: Config) => {
    config["chatmail-proxy:ports"] = [25, 80, 443, 465, 587, 993];
    (config["chatmail-proxy:proxies"] as { name: string; publish?: boolean }[]).find(
      ({ name }) => name === "ash1",
    )!.publish = false;
  };

  afterAll(async () => {
    await the.sh("ash1", `mv ${KEYS}.kept ${KEYS}`);
    const [address = ""] = await the.addresses("ash1");
    const greets = () =>
      the.sh("operator", `timeout 3 bash -c 'exec 3<>/dev/tcp/${address}/22; head -c 4 <&3' 2>&1`, "any");
    await waitFor("sshd to let the operator in again", 120, async () => (await greets()) === "SSH-" || undefined);
    succeeded(await the.up());
    expect(await published()).toEqual(await all());
  });

  it("leaves DNS, and holds up nothing of the others", async () => {
    await the.sh("ash1", `mv ${KEYS} ${KEYS}.kept`);
    const output = succeeded(await the.up(changed));
    // sshd itself soon shuts out who fails so often.
    expect(output).toMatch(/warning: ash1 \(\S+\): its SSH cannot be used from here: root is not let in: /);
    expect(await published()).toEqual((await the.addresses("hel1")).slice().sort());
    for (const address of await the.addresses("hel1")) {
      expect((await the.client.scan(address, 143, 143)).open).toEqual([]);
      await proveMail(the.lab, address);
    }
  });

  it("fails the run where it is wanted in DNS, and works on as it was", async () => {
    expect(failed(await the.up())).toMatch(
      /- ash1 \(\S+\): its SSH cannot be used from here: root is not let in: [^\n]*\. Nothing was changed on it in this run\n/,
    );
    expect(await published()).toEqual(await all());
  });
});
