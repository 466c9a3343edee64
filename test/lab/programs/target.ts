/** The host that lockout.ts goes to, and how. */
export interface Target {
  readonly host: string;
  readonly hostKey: string;
  readonly privateKey: string;
}
