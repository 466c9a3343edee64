// The kernel settings of a proxy as a file for /etc/sysctl.d. Pure.

/** An interface towards the internet, and the kernel's accept_ra on it: 0 no, 1 yes, 2 yes even when forwarding. */
export interface Wan {
  readonly name: string;
  readonly acceptRa: number;
}

export function renderSysctl(wan: readonly Wan[]): string {
  return [
    "# Written by chatmail-proxy; changes made by hand are lost at the next `pulumi up`.",
    // The order counts: with forwarding on, the kernel forgets a default route learnt from router advertisements at
    // once, unless accept_ra says 2 by then. Where it was 0 the address is fixed, or networkd sees to it.
    // Slashes, since an interface's name may hold a dot.
    ...wan.filter(({ acceptRa }) => acceptRa > 0).map(({ name }) => `net/ipv6/conf/${name}/accept_ra = 2`),
    "net.ipv4.ip_forward = 1",
    "net.ipv6.conf.all.forwarding = 1",
    "",
  ].join("\n");
}
