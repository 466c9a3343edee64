// versions.ts: which versions the toolchain needs and which ones are recent enough. Pure; reads no files.

/** The three plugins that the program talks to. */
export const PLUGINS = ["hcloud", "random", "command"] as const;
export type PluginName = (typeof PLUGINS)[number];

export interface Pins {
  /** Lowest `pulumi` that is taken from PATH: the npm SDK's own version, which is older than no engine it was tested on. */
  readonly minimumCli: string;
  /** A plugin's version is the version of the npm package that talks to it. */
  readonly plugins: Readonly<Record<PluginName, string>>;
}

/** Reads the pins from package.json's text: the only place where they are written down. */
export function readPins(packageJson: string): Pins {
  const { dependencies } = JSON.parse(packageJson) as { dependencies?: Record<string, string> };
  const pin = (name: string): string => {
    const version = dependencies?.[name];
    if (version === undefined || !/^\d+\.\d+\.\d+$/.test(version)) {
      throw new Error(
        `package.json: dependencies["${name}"] is ${JSON.stringify(version)}. The toolchain needs an exact version there, such as "1.2.3": the plugin of that version is used.`,
      );
    }
    return version;
  };
  return {
    minimumCli: pin("@pulumi/pulumi"),
    plugins: { hcloud: pin("@pulumi/hcloud"), random: pin("@pulumi/random"), command: pin("@pulumi/command") },
  };
}

/** The version of a required module in a go.mod's text, without its "v". */
export function requiredModule(goMod: string, module: string): string {
  const line = goMod.split("\n").find((text) => text.trim().split(/\s+/)[0] === module);
  const version = line?.trim().split(/\s+/)[1];
  if (version === undefined) throw new Error(`go.mod: no requirement on ${module}`);
  return version.replace(/^v/, "");
}

/** The Go version that a go.mod's text asks for, such as "1.26.4". */
export function requiredGo(goMod: string): string {
  const version = /^go (\S+)$/m.exec(goMod)?.[1];
  if (version === undefined) throw new Error("go.mod: no go line");
  return version;
}

/** The number in what `pulumi version` or `go env GOVERSION` prints; undefined if there is none. */
export function versionIn(printed: string): string | undefined {
  return /\d+\.\d+(?:\.\d+)?(?:-[0-9A-Za-z.-]+)?/.exec(printed)?.[0];
}

/** Whether a version is at least another. A pre-release (3.259.0-alpha.1) is older than its release. */
export function atLeast(version: string, minimum: string): boolean {
  const left = parse(version);
  const right = parse(minimum);
  for (const index of [0, 1, 2] as const) {
    if (left.numbers[index] !== right.numbers[index]) return left.numbers[index] > right.numbers[index];
  }
  return !left.preRelease || right.preRelease;
}

function parse(version: string): { numbers: readonly [number, number, number]; preRelease: boolean } {
  const [release = "", ...rest] = version.split("-");
  const [major = 0, minor = 0, patch = 0] = release.split(".").map(Number);
  return { numbers: [major, minor, patch], preRelease: rest.length > 0 };
}
