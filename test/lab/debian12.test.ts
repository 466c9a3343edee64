// A bought server with Debian 12: what of it is older than in Debian 13, and that its host key is the one it was given.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { command } from "../../scripts/lab/command";
import { publicKey } from "../../scripts/lab/world/keys";
import { waitFor } from "../../scripts/lab/wait";
import { ssh } from "./reach";
import { theLab, type TheLab } from "./theLab";

// The image is built by the order, if it is not there yet.
jest.setTimeout(900_000);

let the: TheLab;
let server: { readonly id: number; readonly public_net: { readonly ipv4: { readonly ip: string } } };
let hostKey: string;

beforeAll(async () => {
  the = await theLab({ stack: false });
  const dir = mkdtempSync(join(tmpdir(), "debian12-"));
  const file = join(dir, "key");
  await command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file]);
  hostKey = publicKey(file);
  const user_data = [
    "#cloud-config",
    "ssh_authorized_keys:",
    `  - ${readFileSync(`${the.lab.operatorKeyFile}.pub`, "utf8").trim()}`,
    "ssh_keys:",
    "  ed25519_private: |",
    ...readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => `    ${line}`),
    `  ed25519_public: ${hostKey}`,
    "",
  ].join("\n");
  rmSync(dir, { recursive: true });
  ({ server } = await the.api<{ server: typeof server }>("POST", "/servers", {
    name: "old1",
    server_type: "cx23",
    image: "debian-12",
    location: "hel1",
    user_data,
  }));
  const status = await waitFor("the image and the server's boot", 600, async () => {
    const now = (await the.api<{ server: { status: string } }>("GET", `/servers/${server.id}`)).server.status;
    return ["running", "off"].includes(now) ? now : undefined;
  });
  if (status !== "running") throw new Error(`the server did not boot; ${the.lab.dirs.state}/logs/daemon.log tells why`);
  await the.lab.run("old1", ["cloud-init", "status", "--wait"], { timeout: 120_000 });
});

afterAll(async () => {
  if (server !== undefined) await the.api("DELETE", `/servers/${server.id}`);
  the?.close();
});

it("has the releases that Debian 12 has", async () => {
  expect(await the.sh("old1", "cat /etc/debian_version; systemctl --version | head -1; ssh -V 2>&1")).toMatch(
    /^12\.\d+\nsystemd 252 .*\nOpenSSH_9\.2/,
  );
  expect(await the.sh("old1", "systemctl is-system-running --wait", "any")).toBe("running");
});

it("installs its own release's packages from the mirror", async () => {
  await the.sh("old1", "apt-get -q update && apt-get -q -y install nftables wireguard-tools unattended-upgrades");
  expect(await the.sh("old1", "nft --version")).toContain("v1.0.6");
});

it("lets the operator in with the host key that its user data gave it", async () => {
  const line = ssh(the.lab, { sshHost: server.public_net.ipv4.ip, hostKey }, "hostname");
  expect(await the.sh("operator", line)).toBe("old1");
});
