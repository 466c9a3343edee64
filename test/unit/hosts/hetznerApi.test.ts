// hosts/hetznerApi.ts: a token that is not accepted, or an API that cannot be reached, in words for the operator.
import { fromHetzner, hetznerFault } from "../../../components/hosts/hetznerApi";

const INVOCATION =
  "Invocation of hcloud:index/getServers:getServers returned an error: invoking hcloud:index/getServers:getServers: 1 error occurred:\n\t* ";

it("a token that is not accepted is named, with where to make another", () =>
  expect(hetznerFault(`${INVOCATION}unable to authenticate (unauthorized, 1f2e)\n\n`)).toBe(
    "hcloud:token: Hetzner Cloud does not accept it (unable to authenticate (unauthorized, 1f2e)). Make one in the console of the project that holds the servers (Security, API tokens, Read & Write), and set it: pulumi config set --secret hcloud:token",
  ));

it("an API that cannot be reached is told as such, with the reason alone", () =>
  expect(
    hetznerFault(
      `${INVOCATION}Get "https://api.hetzner.cloud/v1/servers": dial tcp: lookup api.hetzner.cloud: no such host\n`,
    ),
  ).toBe(
    'Hetzner Cloud cannot be asked from here (Get "https://api.hetzner.cloud/v1/servers": dial tcp: lookup api.hetzner.cloud: no such host), and nothing is made before it can: see whether this machine reaches the internet, and https://status.hetzner.com, then run it again',
  ));

it("an answer goes through, and an error is one for the operator", async () => {
  expect(await fromHetzner(Promise.resolve(7))).toBe(7);
  await expect(
    fromHetzner(Promise.reject(new Error(`${INVOCATION}unable to authenticate (unauthorized)`))),
  ).rejects.toThrow(/^hcloud:token: /);
});
