// A call of a provider's HTTP API with a token and JSON both ways.

export interface ApiCall {
  /** The provider's name, for errors. */
  readonly service: string;
  readonly url: string;
  readonly method: string;
  readonly token: string;
  readonly body?: unknown;
  /** In milliseconds, for the whole call. */
  readonly timeout?: number;
}

export interface ApiAnswer {
  readonly status: number;
  readonly ok: boolean;
  /** Undefined when it was no JSON. */
  readonly body: unknown;
}

const TIMEOUT = 30_000;

/** Throws an Error in words for the operator when nobody answers. */
export async function callApi({ service, url, method, token, body, timeout = TIMEOUT }: ApiCall): Promise<ApiAnswer> {
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    signal: AbortSignal.timeout(timeout),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch((error: Error) => {
    // fetch itself says no more than "fetch failed".
    throw new Error(
      `${service}'s API cannot be reached: ${(error.cause as Error | undefined)?.message ?? error.message}`,
    );
  });
  return { status: response.status, ok: response.ok, body: await response.json().catch(() => undefined) };
}
