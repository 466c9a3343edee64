// lab/images/debianMirror.ts: where images are built from: the mirror that this machine's own apt uses.
import { attempt } from "../command";

export interface DebianSource {
  readonly uri: string;
  /** apt's proxy, if it has one. */
  readonly proxy?: string;
}

const DEFAULT_URI = "http://deb.debian.org/debian";

export async function debianSource(): Promise<DebianSource> {
  const targets = await attempt(["apt-get", "indextargets", "--format", "$(ORIGIN)\t$(LABEL)\t$(REPO_URI)"]);
  const config = await attempt(["apt-config", "dump", "--no-empty", "--format", "%f %v%n", "Acquire::http::Proxy"]);
  const proxy = /^Acquire::http::Proxy (\S+)$/m.exec(config.stdout)?.[1] ?? process.env.http_proxy;
  return { uri: debianUriIn(targets.stdout) ?? DEFAULT_URI, ...(proxy ? { proxy } : {}) };
}

/** The machine's own Debian archive; undefined on a machine that is no Debian, or that reads it in a way of its own. */
export function debianUriIn(targets: string): string | undefined {
  const uris = targets
    .split("\n")
    .map((line) => line.split("\t"))
    .filter(([origin, label]) => origin === "Debian" && label === "Debian")
    .map(([, , uri]) => uri ?? "");
  return uris.find((uri) => /^https?:\/\//.test(uri))?.replace(/\/$/, "");
}
