// Whether the world asks the zone that we change. Pure.
import type { Soa, WorldView } from "./worldView";

/** The zone as its own server, or its provider, has it. */
export interface OwnZone {
  /** That serve it: those in its NS records, those that the provider gave it. */
  readonly nameServers: readonly string[];
  readonly soa: Soa | undefined;
}

/**
 * Undefined: it cannot be told. Secondaries may have any names in public, so other names alone mean nothing:
 * they serve another zone where they have another SOA, too.
 */
export function isAsked({ nameServers, soa }: OwnZone, view: WorldView | undefined): boolean | undefined {
  if (!view) return undefined;
  if (view.kind !== "served") return false;
  const own = nameServers.map(plain);
  if (view.nameServers.some((name) => own.includes(plain(name)))) return true;
  if (!soa || own.length === 0 || view.soas.length === 0) return undefined;
  return view.soas.some(
    ({ primary, hostmaster }) => plain(primary) === plain(soa.primary) || plain(hostmaster) === plain(soa.hostmaster),
  );
}

export interface Delegation {
  readonly provider: string;
  readonly zone: string;
  /** The provider's own word for it, or what was seen. */
  readonly status: string;
  /** Name servers that the provider serves the zone at. */
  readonly assigned: readonly string[];
  /** Name servers that the parent zone names, as far as known. */
  readonly delegated?: readonly string[];
}

/** A message for a zone that nobody asks: what is changed in it has no effect until it is delegated there. */
export function notAsked({ provider, zone, status, assigned, delegated = [] }: Delegation): string {
  const now = delegated.length > 0 ? ` The delegation names ${list(delegated)} now.` : "";
  const cure =
    assigned.length > 0
      ? `At the registrar of ${zone}, set its name servers to ${list(assigned)}`
      : `Look there which name servers ${zone} needs, and set them at its registrar`;
  return `DNS: the world does not ask the zone ${zone} at ${provider} (${status}): what is changed there has no effect yet.${now} ${cure}; or name the provider that the world does ask in dns.provider.`;
}

/** A message for a manually changed zone whose name servers do not answer. */
export const unanswered = (zone: string, above: string, nameServers: readonly string[]) =>
  `DNS: none of the name servers of ${zone} (${list(nameServers)}) answers for it, though those of ${above} do: what you change in it has no effect until they do. Is ${zone} delegated to your DNS provider, and served there?`;

/** What was seen, where that is not what should be: a status, and the name servers that are asked. */
export function seenInstead(view: WorldView | undefined): Pick<Delegation, "status" | "delegated"> {
  switch (view?.kind) {
    case "served":
      return { status: "other name servers answer for it, with another zone", delegated: view.nameServers };
    case "undelegated":
      return { status: `your resolver knows ${view.above}, and no name servers of this zone in it` };
    case "unanswered":
      return view.nameServers
        ? { status: `none of its name servers answers, though those of ${view.above} do`, delegated: view.nameServers }
        : {
            status: `your resolver knows ${view.above}, and gets no answer for this zone: its name servers are silent, or its DNSSEC is broken`,
          };
    case undefined:
      return { status: "not seen from here" };
  }
}

const plain = (name: string) => name.toLowerCase().replace(/\.$/, "");

const list = (names: readonly string[]) => names.map(plain).sort().join(", ");
