// Secrets with which providers' own plugins log in. Pure.
import type { SettingFault } from "./fault";

/** The plugin reads it itself, from the configuration or the environment; what is checked here it would refuse late and in other words. */
export interface Token {
  /** As in `pulumi config set --secret`, with the plugin's namespace. */
  readonly key: string;
  /** The environment variable that the plugin asks when the key is not set. */
  readonly variable: string;
  /** Fault of the token, of which only the length is reported. */
  check(token: string | undefined): SettingFault[];
}

/** Characters of a Hetzner Cloud API token. */
const HETZNER_LENGTH = 64;

/** For what is bought at Hetzner Cloud, and for its DNS. */
export const HETZNER_TOKEN: Token = {
  key: "hcloud:token",
  variable: "HCLOUD_TOKEN",
  check(token) {
    const { key } = HETZNER_TOKEN;
    if (!token)
      return [
        {
          key,
          text: "is missing. Make a token with read and write access in the Hetzner Cloud console, then: pulumi config set --secret hcloud:token",
        },
      ];
    if (token.length === HETZNER_LENGTH) return [];
    return [
      {
        key,
        text: `has ${token.length} characters, a Hetzner Cloud token has ${HETZNER_LENGTH}. Copy it whole, without spaces or quotes.`,
      },
    ];
  },
};
