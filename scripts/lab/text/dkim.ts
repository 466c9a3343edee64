// lab/text/dkim.ts: DKIM on a mail server, by opendkim as chatmail has it, and the record that its signatures are checked
// by. Pure; makes no key.
import { createPublicKey } from "node:crypto";
import { RESOLVER } from "../plan";
import type { GuestFile } from "./guest";

export const DKIM_SELECTOR = "lab";
const KEY = "/etc/dkimkeys/lab.private";
const PORT = 8891;
/** As postfix names it. */
export const DKIM_MILTER = `inet:127.0.0.1:${PORT}`;

/** With a private key (PEM) it signs what its domain sends; what comes in is checked by all, and let in with any result. */
export function dkimFiles(domain: string, privateKey?: string): GuestFile[] {
  const signing = `Domain ${domain}\nSelector ${DKIM_SELECTOR}\nKeyFile ${KEY}\n`;
  return [
    {
      path: "/etc/opendkim.conf",
      content: `Syslog yes
SyslogSuccess yes
UserID opendkim
UMask 007
PidFile /run/opendkim/opendkim.pid
Socket inet:${PORT}@127.0.0.1
# Or it would go to the root's servers, which the lab has not.
Nameservers ${RESOLVER}
Canonicalization relaxed/simple
OversignHeaders From
${privateKey === undefined ? "Mode v\n" : `Mode sv\n${signing}`}`,
    },
    ...(privateKey === undefined ? [] : [{ path: KEY, content: privateKey, mode: 0o600 }]),
  ];
}

/** A TXT record's value: strings of at most 255 characters, which are read as one. */
export function dkimRecord(privateKey: string): string {
  const key = createPublicKey(privateKey).export({ type: "spki", format: "der" }).toString("base64");
  return (`v=DKIM1; k=rsa; p=${key}`.match(/.{1,255}/g) ?? []).map((part) => `"${part}"`).join(" ");
}
