// A proxy's own name in the zone. Pure.

/** Fully qualified, without a final dot. */
export const proxyDnsName = (
  proxy: string,
  { proxySubdomain, zone }: { readonly proxySubdomain: string; readonly zone: string },
): string => `${proxy}.${proxySubdomain}.${zone}`;
