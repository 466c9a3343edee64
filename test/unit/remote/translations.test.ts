// Others' redirections on a Linux host, as nft 1.0.6, iptables-nft and iptables-legacy 1.8.9 print them (translations/*.txt, made
// with these programs): which of them could take a packet that ours are for.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostctlProgram } from "../../../components/remote/hostctl";

const FILES = join(__dirname, "translations");
const OURS = join(__dirname, "../../golden/files");
const ADDRESSES = [
  "1: lo    inet 127.0.0.1/8 scope host lo",
  "2: eth0    inet 192.0.2.140/24 scope global eth0",
  "2: eth0    inet6 2001:db8:140::2/64 scope global",
  "3: docker0    inet 172.17.0.1/16 scope global docker0",
].join("\n");

/** What each command prints on a host. */
type Printed = Record<string, string>;

/** A file of a host's: `$ COMMAND`, and what it printed. */
function hostOf(file: string): Printed {
  const [, ...parts] = readFileSync(join(FILES, `${file}.txt`), "utf8").split(/^\$ (.*)\n/m);
  return Object.fromEntries(parts.flatMap((part, i) => (i % 2 === 0 ? [[part, parts[i + 1] ?? ""]] : [])));
}

const without = (printed: Printed, command: string): Printed =>
  Object.fromEntries(Object.entries(printed).filter(([each]) => each !== command));

/** Rules of a file, each with the ports of ours that they take. */
function formsIn(file: string): { title: string; rules: string; takes: string }[] {
  const [, ...parts] = readFileSync(join(FILES, `${file}.txt`), "utf8").split(/^# takes: (.*)\n/m);
  const title = (rules: string) =>
    rules
      .split("\n")
      .filter((line) => /^(\t\t(?!type)|-A )/.test(line))
      .map((line) => line.trim())
      .join("; ");
  return parts.flatMap((takes, i) =>
    i % 2 === 0 ? [{ takes, rules: parts[i + 1] ?? "", title: title(parts[i + 1] ?? "") }] : [],
  );
}

interface Said {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Rules were loaded. */
  readonly loaded: boolean;
}

/** Runs shell with hostctl's functions on such a host; `broken` programs there fail. */
function onHost(printed: Printed, script: string, broken: readonly string[] = []): Said {
  const dir = mkdtempSync(join(tmpdir(), "translations-"));
  try {
    mkdirSync(join(dir, "proc/net"), { recursive: true });
    const programs = new Map<string, string>([["nft", `case "$*" in "-f "*) touch ${dir}/loaded ;; esac`]]);
    for (const [command, output] of Object.entries(printed)) {
      const [name = "", ...words] = command.split(" ");
      writeFileSync(join(dir, `${name}.out`), output);
      programs.set(name, `${programs.get(name) ?? ""}\n[ "$*" != "${words.join(" ")}" ] || cat ${dir}/${name}.out`);
      if (name.includes("legacy")) writeFileSync(join(dir, "proc/net/ip_tables_names"), "nat\n");
    }
    for (const name of broken) programs.set(name, "exit 2");
    for (const [name, text] of programs) writeFileSync(join(dir, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    const program = hostctlProgram()
      .replace(/^PROC=.*/m, `PROC=${dir}/proc`)
      .replace(/^main "\$@"$/m, `have() { [ -x "${dir}/$1" ]; }; ${script}`);
    const { status, stdout, stderr } = spawnSync("sh", ["-s"], {
      input: program,
      encoding: "utf8",
      env: { PATH: `${dir}:/usr/bin:/bin` },
    });
    return { status, stdout, stderr, loaded: existsSync(join(dir, "loaded")) };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** hostctl's word on new rules of ours on such a host, while they are armed; undefined where they are loaded. */
function refused(printed: Printed, ours = "proxy-udp", broken: readonly string[] = []): string | undefined {
  const file = `${join(OURS, `${ours}.nft`)} 0644 /etc/chatmail-proxy/proxy.nft`;
  const { status, stderr, loaded } = onHost(printed, `check_file ${file} && load_file ${file}`, broken);
  const said = stderr
    .split("\n")
    .filter((line) => line.startsWith("chatmail-proxy: "))
    .map((line) => line.slice(16));
  expect([said.length, loaded]).toEqual(status === 0 ? [0, true] : [1, false]);
  return said[0];
}

/** The look's word on it, before there are any rules of ours. */
const foreseen = (printed: Printed, broken: readonly string[] = []): string =>
  onHost(
    printed,
    `wan_once() { echo "wan eth0 1"; }; printf '%s\\n' ${MAIL_PORTS.map((port) => `'free tcp ${port}'`).join(" ")} 'free udp 3478-3478' wan-of | redirected`,
    broken,
  ).stdout.trim();

const MAIL_PORTS = [25, 80, 143, 443, 465, 587, 993];
const ALL = "25, 80, 143, 443, 465, 587, 993";

describe("what others have redirected is named, and nothing of ours is loaded", () => {
  it.each([
    [
      "a proxy set up by hand from the guide",
      "guide",
      `ports ${ALL} are in use on this host (by nftables, table ip nat, chain prerouting: iif "eth0" tcp dport { ${ALL} } dnat to 10.9.0.2; nftables, table ip6 nat, chain prerouting: `,
      "If it is a proxy that was set up by hand, take all of its rules out",
    ],
    [
      "Docker's published port, by iptables-nft",
      "docker",
      'port 25 is in use on this host (by nftables, table ip nat, chain DOCKER: iifname != "docker0" tcp dport 25 dnat to 172.17.0.2:25)',
      "publish no such port there",
    ],
    [
      "the same where nft does not show what iptables' own modules do",
      "docker-without-modules",
      "port 25 is in use on this host (by iptables-nft, table nat, chain DOCKER: -A DOCKER ! -i docker0 -p tcp -m multiport --dports 25,8025 -j DNAT",
      "publish no such port there",
    ],
    [
      "k3s' load balancer and host port, by iptables-legacy",
      "k3s-legacy",
      'ports 80, 443 are in use on this host (by iptables-legacy, table nat, chain KUBE-SERVICES: -A KUBE-SERVICES -d 192.0.2.140/32 -p tcp -m comment --comment "kube-system/traefik:web loadbalancer IP" -m tcp --dport 80 ',
      "give it up in Kubernetes",
    ],
    [
      "the same by iptables-nft, each once",
      "k3s-nft",
      "ports 80, 443 are in use on this host (by nftables, table ip nat, chain KUBE-SERVICES: meta l4proto tcp ip daddr 192.0.2.140 tcp dport 80 jump KUBE-EXT-UQMCRMJZLI3FTLDP; nftables, table ip nat, chain CNI-DN-7a0c34d1b4a7f0b2a51e1: tcp dport 443 dnat to 10.42.0.7:443)",
      "give it up in Kubernetes",
    ],
    [
      "kube-proxy's maps of nftables",
      "kube-proxy-nft",
      "ports 80, 993 are in use on this host (by nftables, table ip kube-proxy, chain services: ip daddr . meta l4proto . th dport vmap @service-ips; ",
      "give it up in Kubernetes",
    ],
  ])("%s", (_what, file, named, cure) => {
    const said = refused(hostOf(file), "proxy-routed") ?? "nothing";
    expect(said.slice(0, named.length)).toBe(named);
    // The same sentence in the look, without what belongs to an update.
    expect(said.split(". Nothing was loaded")[0]).toBe(foreseen(hostOf(file)));
    expect(said).toContain(cure);
    expect(said).toContain(`${named.startsWith("ports") ? "the ports" : "the port"} out of ports. Nothing was loaded`);
  });

  it("rules of iptables-legacy that no program there can show", () => {
    expect(refused(without(hostOf("k3s-legacy"), "iptables-legacy-save"))).toMatch(
      /^this host has a table nat of iptables-legacy, and no program that shows it whole, .*: apt-get install iptables\. Nothing was loaded, and what is there goes on\.$/,
    );
    expect(foreseen(without(hostOf("k3s-legacy"), "iptables-legacy-save"))).toMatch(
      /^this host has a table nat of iptables-legacy, .*: apt-get install iptables$/,
    );
  });

  it("rules that awk could not read, with what to look at", () => {
    expect(refused({ "nft -s -y list ruleset": "" }, "proxy-udp", ["awk"])).toMatch(
      /^nobody can say whether others' rules on this host take a port that a proxy forwards to the relay: awk failed .* whether awk runs .*, then run pulumi up again\. Nothing was loaded, and what is there goes on\.$/,
    );
  });

  it("rules of iptables-nft that nft shows in part, and no other program there", () => {
    expect(refused(without(hostOf("docker-without-modules"), "iptables-nft-save -t nat"))).toMatch(
      /^this host has a table nat of iptables, and no program that shows it whole, /,
    );
  });
});

it.each([
  ["Docker's ports that are no mail, on loopback, or on its bridge alone", "docker-elsewhere"],
  ["Kubernetes' services that are for itself", "kubernetes-inside"],
])("is no obstacle: %s", (_what, file) => expect(refused(hostOf(file))).toBeUndefined());

/** The ports at the beginning of a message. */
const portsIn = (said: string | undefined) =>
  said === undefined
    ? "-"
    : said
        .replace(/ (is|are) in use on this host .*/, "")
        .replace(/(^| and )ports? /, "")
        .replace(
          /(^| and )UDP ports? (.*)/,
          (_all, and: string, list: string) =>
            `${and === "" ? "" : ", "}${list
              .split(", ")
              .map((port) => `UDP ${port}`)
              .join(", ")}`,
        );

describe("of a rule, the ports that it could take", () => {
  it.each(formsIn("forms"))("as nft shows it: $takes by $title", ({ rules, takes }) => {
    expect(portsIn(refused({ "ip -o address show": ADDRESSES, "nft -s -y list ruleset": rules }))).toBe(takes);
  });

  it.each(formsIn("legacy-forms"))("as iptables shows it: $takes by $title", ({ rules, takes }) => {
    expect(
      portsIn(refused({ "ip -o address show": ADDRESSES, "iptables-legacy-save": rules, "ip6tables-legacy-save": "" })),
    ).toBe(takes);
  });

  it("is none where it is of a family that ours are not for", () => {
    const { rules = "" } = formsIn("forms").find((form) => form.rules.includes("ip6 daddr 2001:db8:140::2 tcp")) ?? {};
    expect(
      refused({ "ip -o address show": ADDRESSES, "nft -s -y list ruleset": rules }, "proxy-direct-ipv4"),
    ).toBeUndefined();
    expect(refused({ "ip -o address show": ADDRESSES, "nft -s -y list ruleset": rules }, "proxy-direct")).toContain(
      "port 25 is in use",
    );
  });

  it("is none for our own table, which is there already", () => {
    const rules = readFileSync(join(OURS, "proxy-udp.nft"), "utf8");
    expect(refused({ "ip -o address show": ADDRESSES, "nft -s -y list ruleset": rules })).toBeUndefined();
    expect(
      refused({
        "ip -o address show": ADDRESSES,
        "nft -s -y list ruleset": rules.replaceAll("inet chatmail_proxy", "inet other"),
      }),
    ).toContain("in use");
  });
});
