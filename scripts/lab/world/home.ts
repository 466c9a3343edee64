// lab/world/home.ts: the home: router, NAT, LAN, and what its provider does to it. Knows nothing of mail.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LabDirs } from "../dirs";
import { ACCESS, HOME, HOME_LINE, INTERNET, OPERATOR } from "../plan";
import { createNamespace, ip, nft, setSysctls } from "../netns";
import { DEFAULT_HOME, renderHomeRouter, type HomeState } from "../text/home";
import { bridgePort, homeAddressLines, homeIPv6Lines, homeLines } from "../text/network";

export class Home {
  state: HomeState;
  private readonly file: string;

  constructor(dirs: LabDirs) {
    this.file = join(dirs.state, "home.json");
    this.state = stored(this.file);
  }

  async build(): Promise<void> {
    await createNamespace(HOME);
    await setSysctls(HOME, [
      ["ipv4/conf/all/forwarding", "1"],
      ["ipv6/conf/all/forwarding", "1"],
    ]);
    await ip(INTERNET, bridgePort(ACCESS.bridge, "to-home", { namespace: HOME, name: "wan" }));
    await ip(HOME, homeLines());
    await nft(HOME, renderHomeRouter());
    await ip(HOME, bridgePort(HOME_LINE.lanBridge, "to-operator", { namespace: OPERATOR, name: "eth1" }));
    await this.set(this.state);
  }

  async set(wish: Partial<HomeState>): Promise<void> {
    const state = { ...this.state, ...wish };
    if (!(HOME_LINE.addresses4 as readonly string[]).includes(state.address)) {
      throw new Error(
        `home address "${state.address}": the provider has ${HOME_LINE.addresses4.join(" and ")} for this line`,
      );
    }
    await ip(HOME, homeAddressLines(state));
    for (const { namespace, lines } of homeIPv6Lines(state.ipv6)) await ip(namespace, lines, { force: !state.ipv6 });
    this.state = state;
    writeFileSync(this.file, JSON.stringify(state));
  }
}

function stored(file: string): HomeState {
  try {
    return { ...DEFAULT_HOME, ...(JSON.parse(readFileSync(file, "utf8")) as Partial<HomeState>) };
  } catch {
    return DEFAULT_HOME;
  }
}
