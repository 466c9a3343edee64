// scripts/lab/hetzner/errors.ts: the errors that the API answers with, each with its code, HTTP status and details.

/** Statuses as in the reference's table of error codes; an operation's own codes are 422 unless named here. */
const statusOf: Record<string, number> = {
  json_error: 400,
  unauthorized: 401,
  token_readonly: 401,
  forbidden: 403,
  maintenance: 403,
  resource_limit_exceeded: 403,
  not_found: 404,
  method_not_allowed: 405,
  uniqueness_error: 409,
  conflict: 409,
  deprecated_api_endpoint: 410,
  resource_unavailable: 412,
  locked: 423,
  protected: 423,
  rate_limit_exceeded: 429,
  server_error: 500,
  bad_gateway: 502,
  unavailable: 503,
  timeout: 504,
};

export interface FieldComplaint {
  name: string;
  messages: string[];
}

export class ApiError extends Error {
  readonly status: number;

  constructor(
    readonly code: string,
    message: string,
    readonly details: unknown = null,
    status?: number,
  ) {
    super(message);
    this.name = "ApiError";
    this.status = status ?? statusOf[code] ?? 422;
  }

  /** `details` is always there: the Python client reads it without a look. */
  toBody(): Record<string, unknown> {
    return { error: { code: this.code, message: this.message, details: this.details } };
  }
}

export function invalidInput(fields: FieldComplaint[]): ApiError {
  const quoted = fields.map((field) => `'${field.name}'`).join(", ");
  const [only] = fields;
  const message =
    only !== undefined && fields.length === 1
      ? `invalid input in field ${quoted}: ${only.messages.join(", ")}`
      : `invalid input in fields ${quoted}`;
  return new ApiError("invalid_input", message, { fields });
}

export const invalidField = (name: string, message: string) => invalidInput([{ name, messages: [message] }]);

export const notFound = (kind: string, idOrName: string | number) =>
  new ApiError("not_found", `${kind} with ID or name '${idOrName}' not found`);

export const notUnique = (message: string, field: string) =>
  new ApiError("uniqueness_error", message, { fields: [{ name: field }] });

export const limitExceeded = (limit: string) =>
  new ApiError("resource_limit_exceeded", `${limit} exceeded`, { limits: [{ name: limit }] });

export const protectedResource = (kind: string) => new ApiError("protected", `${kind} is protected`);

export const unsupported = (what: string) =>
  new ApiError("unsupported_error", `${what} is not part of the fake Hetzner Cloud`);
