// lab/world/firewall.ts: the rules on the machines' links, kept in a file and loaded into the internet's router as a whole.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LabDirs } from "../dirs";
import type { FirewallRule } from "../hetzner/world";
import { INTERNET } from "../plan";
import { nft } from "../netns";
import { renderCloudFirewall, type LinkRules } from "../text/cloudFirewall";

export class CloudFirewall {
  private readonly links = new Map<string, LinkRules>();
  private readonly file: string;
  private queue: Promise<unknown> = Promise.resolve();

  constructor(dirs: LabDirs) {
    this.file = join(dirs.state, "firewall.json");
  }

  /** What a daemon before this one had loaded. */
  async restore(): Promise<void> {
    for (const link of stored(this.file)) this.links.set(link.link, link);
    await this.apply();
  }

  setRules(link: string, rules: readonly FirewallRule[] | null): Promise<void> {
    return this.change(link, { rules });
  }

  /** Every packet to and from the machine is lost, without a word to anybody. */
  silence(link: string, silenced: boolean): Promise<void> {
    return this.change(link, { silenced });
  }

  async forget(link: string): Promise<void> {
    if (this.links.delete(link)) await this.apply();
  }

  isSilenced(link: string): boolean {
    return this.links.get(link)?.silenced ?? false;
  }

  private async change(link: string, change: Partial<LinkRules>): Promise<void> {
    this.links.set(link, { link, rules: null, silenced: false, ...this.links.get(link), ...change });
    await this.apply();
  }

  private apply(): Promise<void> {
    const turn = this.queue
      .catch(() => undefined)
      .then(async () => {
        const links = [...this.links.values()];
        await nft(INTERNET, renderCloudFirewall(links));
        writeFileSync(this.file, JSON.stringify(links, null, 2));
      });
    this.queue = turn;
    return turn;
  }
}

function stored(file: string): LinkRules[] {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as LinkRules[];
  } catch {
    return [];
  }
}
