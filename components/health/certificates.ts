// Which certificate a port shows, as a client sees it that checks it.
import { checkServerIdentity, connect, type TLSSocket } from "node:tls";

export interface CertificateView {
  /** DNS names that it is for. */
  readonly names: readonly string[];
  /** Who signed it: its organization, or its common name. */
  readonly issuer: string;
  /** When it expires (ISO 8601). */
  readonly expires: string;
  /** It is not for the name that was asked for. */
  readonly otherName: boolean;
  /** Why this machine does not trust its issuer: words of the TLS library; undefined where it does. */
  readonly untrusted: string | undefined;
}

/** Undefined where no TLS comes about within so many milliseconds. */
export type LookAtCertificate = (address: string, port: number, name: string) => Promise<CertificateView | undefined>;

const PATIENCE = 4000;

export const certificateFromHere: LookAtCertificate = (address, port, name) =>
  new Promise((resolve) => {
    const socket = connect({ host: address, port, servername: name, rejectUnauthorized: false });
    const done = (view: CertificateView | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(view);
    };
    const timer = setTimeout(() => done(undefined), PATIENCE);
    socket.on("error", () => done(undefined));
    socket.once("secureConnect", () => done(viewOf(socket, name)));
  });

function viewOf(socket: TLSSocket, name: string): CertificateView {
  const certificate = socket.getPeerCertificate();
  const { subject, subjectaltname = "", issuer, valid_to } = certificate;
  const names = subjectaltname
    .split(", ")
    .filter((each) => each.startsWith("DNS:"))
    .map((each) => each.slice("DNS:".length));
  const problem = socket.authorizationError as Error | string | null | undefined;
  const untrusted = problem ? (problem instanceof Error ? problem.message : problem) : undefined;
  return {
    names: names.length > 0 ? names : [String(subject?.CN ?? "")].filter(Boolean),
    issuer: String(issuer?.O ?? issuer?.CN ?? "nobody"),
    expires: new Date(valid_to).toISOString(),
    otherName: checkServerIdentity(name, certificate) !== undefined,
    // Expired, or for another name: that is told apart.
    untrusted: untrusted !== undefined && /expired|HOSTNAME|ALTNAME/i.test(untrusted) ? undefined : untrusted,
  };
}
