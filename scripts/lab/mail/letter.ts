// lab/mail/letter.ts: letters as text. Pure.
import type { Letter } from "./protocol";

const LINE = `${"x".repeat(75)}\r\n`;

/** RFC 5322, with as much text as asked for, in lines that no server has to fold. */
export function renderLetter({ from, to, id, bytes = 0, text }: Letter): string {
  if (text !== undefined) return text;
  const filler = LINE.repeat(Math.ceil(bytes / LINE.length));
  return [
    `From: <${from}>`,
    `To: <${to}>`,
    `Subject: ${subjectOf(id)}`,
    `Message-ID: <${id}@lab.invalid>`,
    `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`,
    "",
    `The letter ${id}.`,
    filler,
  ].join("\r\n");
}

export const subjectOf = (id: string): string => `lab letter ${id}`;
