// lab/enter.ts: command lines that step into a host of the lab. Pure; runs nothing.
export const namespacePath = (namespace: string): string => `/run/netns/${namespace}`;

export const enter = (namespace: string, argv: readonly string[]): string[] => [
  "nsenter",
  `--net=${namespacePath(namespace)}`,
  "--",
  ...argv,
];

/**
 * The lab's files over /etc, as a read-only overlay in a mount namespace of its own: it works where resolv.conf is a
 * symlink, and nothing in there can change this machine's /etc. nscd would answer from the world outside, so its socket
 * is hidden.
 */
export function inLabMounts(etc: string, argv: readonly string[]): string[] {
  const script =
    'mount -t overlay overlay -o "lowerdir=$0:/etc" /etc || exit 126; [ ! -d /run/nscd ] || mount -t tmpfs tmpfs /run/nscd; exec "$@"';
  return ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, etc, ...argv];
}

export function enterMachine(initPid: number, env: NodeJS.ProcessEnv, argv: readonly string[]): string[] {
  const variables = Object.entries({
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/root",
    LANG: "C.UTF-8",
    ...env,
  });
  return [
    "nsenter",
    `--target=${initPid}`,
    "--all",
    "--",
    "env",
    "-i",
    "--chdir=/root",
    ...variables.map(([name, value]) => `${name}=${value ?? ""}`),
    ...argv,
  ];
}
