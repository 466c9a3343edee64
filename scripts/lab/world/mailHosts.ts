// lab/world/mailHosts.ts: the relay at home, the one on the internet and the other mail server, as machines of the lab.
import { readFileSync } from "node:fs";
import type { LabDirs } from "../dirs";
import { OWN_RELEASE, type Release } from "../images/recipes";
import type { MachineSpec } from "../machines/machine";
import {
  addressesOf,
  DIRECT_DOMAIN,
  HOME_LINE,
  MAIL_DOMAIN,
  MAIL_PORTS,
  MX_LEG,
  OTHER_DOMAIN,
  OTHER_MX,
  ownedBy,
  RELAY_LEG,
  RELAY_LEG_V6,
  VPS_LEG,
  type Leg,
} from "../plan";
import { belongingsFiles, type Belongings } from "../text/belongings";
import { hostsFile, NETWORK_FILE, networkdConfig, resolvConf, type GuestFile } from "../text/guest";
import { mailServerFiles, type MailServer } from "../text/mailServer";
import {
  caFile,
  certificateFor,
  dkimKeyFile,
  operatorKeyFile,
  readSecret,
  relayHostKeyFile,
  sshFiles,
  vpsHostKeyFile,
} from "./keys";

/** Its owner runs containers on it beside the mail server, as people do at home. */
export const RELAY_BELONGINGS: Belongings = {
  bridge4: "172.18.0.1",
  table: 200,
  by: "networkd",
  gateway4: HOME_LINE.lanGateway4,
};

/** Ports on which the machine listens once it is up. Nobody logs in to mx by SSH. */
export const readyPorts = (spec: MachineSpec): readonly number[] =>
  spec.kind === "relay" ? [22, ...MAIL_PORTS] : MAIL_PORTS;

export function relaySpec(homeIPv6: boolean): MachineSpec {
  return {
    id: "relay",
    name: "relay",
    kind: "relay",
    image: "relay",
    addresses: addressesOf(relayLeg(homeIPv6)),
    nic: { kind: "lan" },
  };
}

export function mxSpec(): MachineSpec {
  return {
    id: "mx",
    name: "mx",
    kind: "mx",
    image: "mail",
    addresses: addressesOf(MX_LEG),
    nic: { kind: "link", owned: ownedBy(MX_LEG) },
  };
}

export async function relayFiles(dirs: LabDirs, homeIPv6: boolean): Promise<GuestFile[]> {
  return [
    ...(await mailHostFiles(dirs, MAIL_DOMAIN, MAIL_DOMAIN, relayLeg(homeIPv6))),
    ...sshFiles(relayHostKeyFile(dirs), operatorKeyFile(dirs)),
    ...belongingsFiles(RELAY_BELONGINGS),
  ];
}

/** What many relays run still. */
export const VPS_RELEASE: Release = "bookworm";

/** Plain, as a provider hands it out: nothing of its owner's on it but the mail server. */
export const vpsSpec = (): MachineSpec => ({
  id: "vps",
  name: "vps",
  kind: "relay",
  image: "mail",
  addresses: addressesOf(VPS_LEG),
  nic: { kind: "link", owned: ownedBy(VPS_LEG) },
});

export async function vpsFiles(dirs: LabDirs): Promise<GuestFile[]> {
  return [
    ...(await mailHostFiles(dirs, DIRECT_DOMAIN, DIRECT_DOMAIN, VPS_LEG, { release: VPS_RELEASE })),
    ...sshFiles(vpsHostKeyFile(dirs), operatorKeyFile(dirs)),
  ];
}

export const mxFiles = (dirs: LabDirs): Promise<GuestFile[]> =>
  mailHostFiles(dirs, OTHER_MX, OTHER_DOMAIN, MX_LEG, { dkimKey: readSecret(dkimKeyFile(dirs)) });

export const relayNetworkFile = (homeIPv6: boolean): GuestFile => ({
  path: NETWORK_FILE,
  content: networkdConfig(relayLeg(homeIPv6)),
});

export const relayLeg = (homeIPv6: boolean): Leg => (homeIPv6 ? RELAY_LEG_V6 : RELAY_LEG);

async function mailHostFiles(
  dirs: LabDirs,
  host: string,
  domain: string,
  leg: Leg,
  more: Partial<Pick<MailServer, "release" | "dkimKey">> = {},
): Promise<GuestFile[]> {
  const { certificate, key } = await certificateFor(dirs, host);
  return [
    ...mailServerFiles({
      host,
      domain,
      certificate,
      key,
      ca: readFileSync(caFile(dirs), "utf8"),
      release: OWN_RELEASE,
      ...more,
    }),
    { path: NETWORK_FILE, content: networkdConfig(leg) },
    { path: "/etc/resolv.conf", content: resolvConf() },
    { path: "/etc/hosts", content: hostsFile([host]) },
  ];
}
