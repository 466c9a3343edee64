// lab/images/recipes.ts: what each image layer is made of, and the key under which it is cached. Builds nothing.
//
//   base (debootstrap) <- system <- host      Debian with cloud-init, as a cloud sells it
//                                <- mail      the other mail server, or a rented relay
//                                   <- relay  a mail server whose owner has rules of his own
//                                <- adopted   a machine at any provider, with rules of its owner's
//                                <- services  knot, and the tools that sign the package mirror
//                                   <- nameServers  for a test: what people run as authoritative name servers
//                                <- mirror    packages that hosts install, and the trust in the lab's key
import { createHash } from "node:crypto";

export type Release = "trixie" | "bookworm";

/** What the lab itself runs on; of the other release there are servers to buy and a relay, built when somebody wants them. */
export const OWN_RELEASE: Release = "trixie";

/** Names of the images that can be bought. */
export const SOLD: Readonly<Record<string, Release>> = { "debian-13": "trixie", "debian-12": "bookworm" };

export function releaseOf(image: string): Release {
  const release = SOLD[image];
  if (release === undefined)
    throw new Error(`image "${image}": the lab has no such image. It has ${Object.keys(SOLD).join(", ")}.`);
  return release;
}

export interface LayerRecipe {
  readonly name: string;
  readonly release: Release;
  /** Layers below, lowest first. */
  readonly below: readonly LayerRecipe[];
  readonly packages: readonly string[];
  /** POSIX sh that runs within the layer, as root, when the packages are in. */
  readonly finish: string;
}

/**
 * Not in any image of what is bought: the program has to install them from the lab's mirror, as it must in real life. And
 * firewalls that the owner of a machine may choose.
 */
export const MIRROR_PACKAGES = [
  "nftables",
  "wireguard-tools",
  "unattended-upgrades",
  "iputils-ping",
  "ufw",
  "firewalld",
] as const;

export interface ImageRecipes {
  readonly base: LayerRecipe;
  readonly system: LayerRecipe;
  readonly host: LayerRecipe;
  readonly mail: LayerRecipe;
  readonly relay: LayerRecipe;
  readonly adopted: LayerRecipe;
  readonly services: LayerRecipe;
  readonly nameServers: LayerRecipe;
}

export function recipes(release: Release): ImageRecipes {
  const layer = (
    name: string,
    below: readonly LayerRecipe[],
    packages: readonly string[],
    finish = "",
  ): LayerRecipe => ({
    name,
    release,
    below,
    packages,
    finish,
  });
  const base = layer("base", [], []);
  const system = layer(
    "system",
    [base],
    [
      "systemd",
      "systemd-sysv",
      "dbus",
      "openssh-server",
      "sudo",
      "ca-certificates",
      "iproute2",
      "curl",
      "procps",
      ...(release === "bookworm" ? [] : ["libpam-systemd"]),
    ],
    SYSTEM_FINISH,
  );
  const onSystem = [base, system];
  const mail = layer(
    "mail",
    onSystem,
    [
      "postfix",
      "opendkim",
      "dovecot-imapd",
      "dovecot-lmtpd",
      "dovecot-auth-lua",
      "nginx-light",
      "openssl",
      "wireguard-go",
      "iputils-ping",
    ],
    MAIL_FINISH,
  );
  const services = layer("services", onSystem, ["knot", "knot-dnsutils", "apt-utils", "gpg", "gpg-agent"]);
  return {
    base,
    system,
    // wireguard-go stands in for the module where the machine's kernel has none; wg-quick prefers the kernel's.
    host: layer(
      "host",
      onSystem,
      ["cloud-init", "python3", "wireguard-go"],
      HOST_FINISH + (release === "bookworm" ? BOOKWORM_FINISH : ""),
    ),
    mail,
    relay: layer("relay", [...onSystem, mail], ["nftables"], OWN_RULES_FINISH),
    adopted: layer("adopted", onSystem, ["nftables", "wireguard-go", "iputils-ping"], OWN_RULES_FINISH),
    services,
    nameServers: layer(
      "nameServers",
      [...onSystem, services],
      ["bind9", "pdns-server", "pdns-backend-sqlite3", "sqlite3"],
    ),
  };
}

/** Top first, as overlayfs wants its lowerdir. */
export const stackOf = (recipe: LayerRecipe): LayerRecipe[] => [recipe, ...[...recipe.below].reverse()];

/** A layer's key holds all that went into it, the layers below and the scripts that build it. */
export function layerKey(recipe: LayerRecipe, scripts: string, arch: string): string {
  const below = recipe.below.map((lower) => layerKey(lower, scripts, arch));
  const input = JSON.stringify([recipe.release, recipe.packages, recipe.finish, below, scripts, arch]);
  return `${recipe.name}-${recipe.release}-${createHash("sha256").update(input).digest("hex").slice(0, 16)}`;
}

/** The mirror belongs to the layers that it was resolved against: its packages fit exactly those. Another layer signs it. */
export function mirrorKey(images: ImageRecipes, scripts: string, arch: string): string {
  const signing = recipes(OWN_RELEASE).services;
  const input = JSON.stringify([
    MIRROR_PACKAGES,
    layerKey(images.system, scripts, arch),
    layerKey(signing, scripts, arch),
  ]);
  return `mirror-${images.base.release}-${createHash("sha256").update(input).digest("hex").slice(0, 16)}`;
}

// Identities are made on each machine's first boot. Interfaces are networkd's, as on Debian's own cloud images.
const SYSTEM_FINISH = `
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id
: >/etc/machine-id
mkdir -p /var/log/journal
systemctl enable systemd-networkd.service systemd-networkd-wait-online.service
systemctl mask getty@tty1.service console-getty.service
`;

// At Hetzner the image lets root in with the project's keys; Debian's own default would send them to user "debian".
// The network comes as a networkd file: cloud-init's networkd renderer knows no gateway off the link (25.1.4).
const HOST_FINISH = `
cat >/etc/cloud/cloud.cfg.d/90-lab.cfg <<'END'
datasource_list: [NoCloud]
disable_root: false
network:
  config: disabled
system_info:
  default_user:
    name: root
    lock_passwd: true
    shell: /bin/bash
    groups: []
    sudo: null
END
`;

// cloud-init 22.4 wants en_US.UTF-8, which no minimal system has, and calls the whole run an error.
const BOOKWORM_FINISH = `
echo 'locale: C.UTF-8' >>/etc/cloud/cloud.cfg.d/90-lab.cfg
`;

const MAIL_FINISH = `
useradd --system --uid 5000 --create-home --home-dir /home/vmail --shell /usr/sbin/nologin vmail
rm -f /etc/nginx/sites-enabled/default
`;

// As its owner has done it: /etc/nftables.conf is loaded at each boot.
const OWN_RULES_FINISH = `
systemctl enable nftables.service
`;
