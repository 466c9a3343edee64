// lab/mail/protocol.ts: what mail.ts asks its worker in the client's namespace, one JSON line each way per request.

/** A server to speak to: the name that its certificate must bear, and the address if DNS is not to choose it. */
export interface Target {
  readonly host: string;
  readonly address?: string;
}

export interface Account {
  readonly user: string;
  readonly password: string;
}

export interface Letter {
  readonly from: string;
  readonly to: string;
  /** Stands in the subject; by it the letter is found again. */
  readonly id: string;
  /** Bytes of text to add, to make it big; none by default. */
  readonly bytes?: number;
  /** The letter itself, headers and all, where it was written before; the rest then only says who hands it in to whom. */
  readonly text?: string;
}

export interface Found {
  readonly subject: string;
  readonly from: string;
  /** As the server counts it. */
  readonly size: number;
}

export interface Page {
  readonly status: number;
  readonly body: string;
}

export interface Scan {
  readonly open: readonly number[];
  /** Answered with a refusal. */
  readonly refused: number;
  /** Not answered at all. */
  readonly silent: number;
  readonly ms: number;
}

export interface Requests {
  login: { request: { target: Target; account: Account; port?: 143 | 993 }; answer: null };
  submit: { request: { target: Target; account: Account; port: 465 | 587; letter: Letter }; answer: null };
  deliver: { request: { target: Target; letter: Letter }; answer: null };
  find: { request: { target: Target; account: Account; id: string; seconds: number }; answer: Found };
  get: { request: { target: Target; scheme: "http" | "https" }; answer: Page };
  /** A and AAAA of a name, as DNS has them now. */
  addresses: { request: { name: string }; answer: readonly string[] };
  scan: { request: { address: string; first: number; last: number }; answer: Scan };
}

export type Verb = keyof Requests;

export interface Envelope<V extends Verb = Verb> {
  readonly id: number;
  readonly verb: V;
  readonly request: Requests[V]["request"];
}

export interface Reply {
  readonly id: number;
  readonly answer?: unknown;
  readonly error?: string;
}
