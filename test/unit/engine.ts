// A stand-in for Pulumi's engine and providers in unit tests: it records every registration as it goes over the wire,
// with inputs, secrets and options, and takes note of whatever no test expects, since a throw inside a mock can get lost.
import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import * as settings from "@pulumi/pulumi/runtime/settings";
import { outputValue } from "../../components/outputValue";

/** How a secret looks on the wire (the SDK's own signature). */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export interface Registered {
  readonly type: string;
  readonly name: string;
  /** Inputs with secrets unwrapped. */
  readonly inputs: Record<string, unknown>;
  /** Paths of the inputs that are secret, such as `connection` or `stdin`. */
  readonly secrets: readonly string[];
  /** Names of the resources that this one waits for, components aside. */
  readonly dependsOn: readonly string[];
  readonly options: {
    /** The name of the resource below which it is. */
    readonly parent: string;
    readonly protect: boolean;
    readonly deleteBeforeReplace: boolean;
    readonly ignoreChanges: readonly string[];
    readonly deletedWith: string;
    readonly importId: string;
    readonly retainOnDelete: boolean;
    readonly replaceOnChanges: readonly string[];
    /** Names under which it stood in a stack of an earlier version. */
    readonly aliases: readonly string[];
  };
}

/** What stands after a run: by type and name. */
export type State = ReadonlyMap<string, Standing>;

interface Standing {
  readonly id: string;
  /** With secrets unwrapped. */
  readonly inputs: Record<string, unknown>;
  /** What the provider computed. */
  readonly outputs: Record<string, unknown>;
}

interface NewResource {
  readonly name: string;
  readonly inputs: Record<string, unknown>;
  /** What the provider computed the last time; undefined where there was none yet. */
  readonly before: Record<string, unknown> | undefined;
}

export interface Expectations {
  /** What a provider answers for a new resource of a type: its computed outputs. Other types are unexpected. */
  readonly resources: Readonly<Record<string, (resource: NewResource) => Record<string, unknown>>>;
  /** What an invoke answers. Other invokes are unexpected. */
  readonly calls: Readonly<Record<string, (inputs: Record<string, unknown>) => Record<string, unknown>>>;
}

export interface Run {
  readonly registered: readonly Registered[];
  readonly warnings: readonly string[];
  readonly errors: readonly string[];
  readonly outputs: Record<string, unknown>;
  /** What stands after it. A preview changes nothing. */
  readonly state: State;
  /** Resources that it made or changed, by name; in a preview those that an update would, as far as is known. */
  readonly changed: readonly string[];
  /** The one resource of this name and type; fails when there is none, or several. */
  one(type: string, name: string): Registered;
}

export interface RunOptions {
  readonly config: Record<string, string>;
  /** Keys that are encrypted in the stack file. */
  readonly secretKeys: readonly string[];
  readonly expectations: Expectations;
  readonly preview?: boolean;
  /** What stands before it; by default nothing. */
  readonly state?: State;
  readonly program: () => Promise<pulumi.Inputs>;
}

interface WireRequest {
  getType(): string;
  getName(): string;
  getCustom(): boolean;
  getObject(): { toJavaScript(): Record<string, unknown> };
  getDependenciesList(): string[];
  getParent(): string;
  getProtect(): boolean;
  getDeletebeforereplace(): boolean;
  getIgnorechangesList(): string[];
  getDeletedwith(): string;
  getImportid(): string;
  getRetainondelete(): boolean;
  getReplaceonchangesList(): string[];
  getAliasesList(): { getSpec(): { getName(): string } | undefined }[];
}

export const PROJECT = "chatmail-proxy";
export const STACK = "test";

/** Runs a program to its end, all registrations included. */
export async function run({
  config,
  secretKeys,
  expectations,
  preview = false,
  state = new Map(),
  program,
}: RunOptions): Promise<Run> {
  const registered: Registered[] = [];
  const stack: Stack = { before: state, after: new Map(), changed: [] };
  const unexpected: string[] = [];
  const logs = { warnings: [] as string[], errors: [] as string[] };
  // The SDK takes a stack for every resource and promise; mapping those back to the sources is most of a test's time.
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  const places = jest
    .spyOn(pulumi.Resource as unknown as { callsites: () => unknown[] }, "callsites")
    .mockReturnValue([]);
  const warn = jest
    .spyOn(pulumi.log, "warn")
    .mockImplementation((message) => Promise.resolve(void logs.warnings.push(message)));
  const error = jest
    .spyOn(pulumi.log, "error")
    .mockImplementation((message) => Promise.resolve(void logs.errors.push(message)));
  try {
    await pulumi.runtime.setMocks(
      mocks(expectations, unexpected, preview, registered, stack),
      PROJECT,
      STACK,
      preview,
      "organization",
    );
    recordRequests(registered);
    pulumi.runtime.setAllConfig(config, [...secretKeys]);
    const outputs: Record<string, unknown> | undefined = await outputValue(pulumi.output(await program()));
    await (settings as unknown as { waitForRPCs(): Promise<void> }).waitForRPCs();
    if (unexpected.length > 0) throw new Error(`the program asked for what no test expects: ${unexpected.join(", ")}`);
    return {
      registered,
      ...logs,
      outputs: outputs ?? {},
      state: preview ? state : stack.after,
      changed: stack.changed.sort(),
      one: (type, name) => one(registered, type, name),
    };
  } finally {
    Error.stackTraceLimit = limit;
    places.mockRestore();
    warn.mockRestore();
    error.mockRestore();
  }
}

interface Stack {
  readonly before: State;
  readonly after: Map<string, Standing>;
  readonly changed: string[];
}

function mocks(
  expectations: Expectations,
  unexpected: string[],
  preview: boolean,
  registered: readonly Registered[],
  stack: Stack,
): pulumi.runtime.Mocks {
  return {
    newResource({ type, name, inputs, custom }) {
      const typed = inputs as Record<string, unknown>;
      if (!custom) return { id: undefined, state: typed };
      const answer = expectations.resources[type];
      if (!answer) {
        unexpected.push(`resource ${type} ${name}`);
        return { id: `${name}-id`, state: typed };
      }
      const key = `${type} ${name}`;
      const before = stack.before.get(key);
      const request = registered.findLast((each) => each.type === type && each.name === name);
      const ignored = before ? (request?.options.ignoreChanges ?? []) : [];
      const wanted = withOld(request?.inputs ?? typed, before?.inputs ?? {}, ignored);
      const sent = withOld(typed, before?.inputs ?? {}, ignored);
      // The command provider takes all that it answers for a secret, if any of the inputs is one.
      const secret = type.startsWith("command:") && (request?.secrets.length ?? 0) > 0;
      const told = (outputs: Record<string, unknown>) =>
        secret
          ? Object.fromEntries(Object.entries(outputs).map(([property, value]) => [property, pulumi.secret(value)]))
          : outputs;
      if (before && isDeepStrictEqual(before.inputs, wanted)) {
        stack.after.set(key, before);
        return { id: before.id, state: { ...sent, ...told(before.outputs) } };
      }
      stack.changed.push(name);
      const id = before?.id ?? `${name}-id`;
      // A preview knows no computed outputs of what is new or changes, and no ID of what is new.
      if (preview) return { id: before?.id, state: sent };
      const outputs = answer({ name, inputs: sent, before: before?.outputs });
      stack.after.set(key, { id, inputs: wanted, outputs });
      return { id, state: { ...sent, ...told(outputs) } };
    },
    call({ token, inputs }) {
      const answer = expectations.calls[token];
      if (!answer) unexpected.push(`call ${token}`);
      return answer?.(inputs as Record<string, unknown>) ?? {};
    },
  };
}

/** Inputs as the engine passes them to the provider: those that are ignored stay as they were. */
const withOld = (inputs: Record<string, unknown>, old: Record<string, unknown>, ignored: readonly string[]) => ({
  ...Object.fromEntries(Object.entries(inputs).filter(([key]) => !ignored.includes(key))),
  ...Object.fromEntries(Object.entries(old).filter(([key]) => ignored.includes(key))),
});

// The mocks are shown neither options nor which inputs are secret: both are read from the request itself.
function recordRequests(registered: Registered[]): void {
  const monitor = (
    settings as unknown as { getMonitor(): { registerResource(request: WireRequest, ...rest: unknown[]): unknown } }
  ).getMonitor();
  const pass = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, ...rest) => {
    const secrets: string[] = [];
    const inputs = unwrap(request.getObject().toJavaScript(), "", secrets) as Record<string, unknown>;
    const nameOf = (urn: string) => urn.split("::").at(-1) ?? "";
    registered.push({
      type: request.getType(),
      name: request.getName(),
      inputs,
      secrets,
      dependsOn: [...new Set(request.getDependenciesList().map(nameOf))].sort(),
      options: {
        parent: nameOf(request.getParent()),
        protect: request.getProtect(),
        deleteBeforeReplace: request.getDeletebeforereplace(),
        ignoreChanges: request.getIgnorechangesList(),
        deletedWith: nameOf(request.getDeletedwith()),
        importId: request.getImportid(),
        retainOnDelete: request.getRetainondelete(),
        replaceOnChanges: request.getReplaceonchangesList(),
        aliases: request.getAliasesList().map((alias) => alias.getSpec()?.getName() ?? ""),
      },
    });
    return pass(request, ...rest);
  };
}

function unwrap(value: unknown, path: string, secrets: string[]): unknown {
  if (Array.isArray(value)) return value.map((entry, i) => unwrap(entry, `${path}[${i}]`, secrets));
  if (value === null || typeof value !== "object") return value;
  const object = value as Record<string, unknown>;
  if (object[SIGNATURE] === SECRET) {
    secrets.push(path);
    return unwrap(object.value, path, []);
  }
  return Object.fromEntries(
    Object.entries(object).map(([key, entry]) => [key, unwrap(entry, path ? `${path}.${key}` : key, secrets)]),
  );
}

function one(registered: readonly Registered[], type: string, name: string): Registered {
  const found = registered.filter((resource) => resource.type === type && resource.name === name);
  const names = registered.filter((resource) => resource.type === type).map((resource) => resource.name);
  if (found.length !== 1) throw new Error(`${found.length} resources ${type} ${name}; there are: ${names.join(", ")}`);
  return found[0] as Registered;
}
