// DKIM of the other mail server: a letter that it signs and sends by a family of our choice, and what a receiving server
// made of the signature.
import {
  createAccount,
  newAccount,
  newId,
  readLetter,
  sendFromOtherServer,
  type MailHost,
} from "../../scripts/lab/mail";
import type { LabHandle } from "../../scripts/lab/lab";
import { OTHER_DOMAIN } from "../../scripts/lab/plan";

export interface SignedLetter {
  readonly id: string;
  readonly from: string;
  /** As it lies in the mailbox, with the headers of its way. */
  readonly text: string;
}

/** Sent by mx to a new account of this domain, whose mail server is `to`. */
export async function signedLetter(
  lab: LabHandle,
  to: MailHost,
  domain: string,
  family: "IPv4" | "IPv6",
): Promise<SignedLetter> {
  const account = newAccount("dora", domain);
  await createAccount(lab, to, account);
  const prefer = (which: string) =>
    lab.run("mx", ["sh", "-c", `postconf -e smtp_address_preference=${which} && postfix reload`], { timeout: 20_000 });
  const [id, from] = [newId(), `dave@${OTHER_DOMAIN}`];
  await prefer(family.toLowerCase());
  try {
    await sendFromOtherServer(lab, { from, to: account.user, id });
    return { id, from, text: await readLetter(lab, to, account.user, id) };
  } finally {
    await prefer("any");
  }
}

/** The newest verdict in a letter, with the domain that it is about: "pass example.net". */
export const dkimVerdict = (text: string): string => {
  const [, verdict = "no verdict", domain = ""] =
    /^Authentication-Results: [^]*?dkim=(\w+)[^]*?header\.d=(\S+)/m.exec(text) ?? [];
  return `${verdict} ${domain}`;
};

/** The letter as it was signed: below the signature nothing was added. */
export const asSigned = ({ text }: SignedLetter): string => text.slice(text.indexOf("DKIM-Signature: "));
