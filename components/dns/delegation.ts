// Whether the world asks the zone that we change. Pure.

export interface Delegation {
  readonly provider: string;
  readonly zone: string;
  /** The provider's own word for it. */
  readonly status: string;
  /** Name servers that the provider serves the zone at. */
  readonly assigned: readonly string[];
  /** Name servers that the parent zone names, as far as known. */
  readonly delegated?: readonly string[];
}

const list = (names: readonly string[]) => names.map((name) => name.replace(/\.$/, "")).sort().join(", ");

/** A sentence for a zone that nobody asks: what is changed in it has no effect until it is delegated there. */
export function notAsked({ provider, zone, status, assigned, delegated = [] }: Delegation): string {
  const now = delegated.length > 0 ? ` The delegation names ${list(delegated)} now.` : "";
  const cure = assigned.length > 0 ? `At the registrar of ${zone}, set its name servers to ${list(assigned)}` : `Look there which name servers ${zone} needs, and set them at its registrar`;
  return `DNS: the world does not ask the zone ${zone} at ${provider} (${status}): what is changed there has no effect yet.${now} ${cure}; or name the provider that the world does ask in dns.provider.`;
}
