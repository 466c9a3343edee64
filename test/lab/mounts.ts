// Which mounts a lab has left behind, of those that are there. Pure.

/**
 * `mine`, `machines`: /proc/PID/mountinfo of this process, and of the machine's first one. Mounts that are the machine's too are
 * those of a lab that is up beside this one: they were there before this process got a mount namespace of its own.
 */
export function leftMounts(lab: string, mine: string, machines: string): string[] {
  const others = new Set(lines(machines).map(what));
  const own = new RegExp(`/${lab}(/|$)`);
  return lines(mine).filter(
    (line) => own.test(target(line)) || (/\/cpl-/.test(target(line)) && !others.has(what(line))),
  );
}

const lines = (mountinfo: string) => mountinfo.split("\n").filter((line) => line !== "");

// proc_pid_mountinfo(5): number, parent, device, root within it, mount point.
const what = (line: string) => line.split(" ").slice(2, 4).join(" ");
const target = (line: string) => line.split(" ")[4] ?? "";
