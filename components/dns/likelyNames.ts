// Names below the mail domain at which something may point at the relay's old address. For zones of which no list of all
// names is to be had.
const LABELS = ["mta-sts", "www", "mail", "imap", "smtp", "autoconfig", "autodiscover"];

export const likelyNames = (mailDomain: string) => LABELS.map((label) => `${label}.${mailDomain}`);
