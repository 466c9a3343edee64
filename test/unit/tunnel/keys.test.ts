import { createHash, createPrivateKey, createPublicKey, diffieHellman } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import {
  deriveKey,
  presharedKey,
  sshKeyPair,
  wireGuardKeyPair,
  x25519PublicKey,
} from "../../../components/tunnel/keys";

const SEED = "S".repeat(64);

describe("x25519PublicKey", () => {
  it.each([
    [
      "Alice",
      "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
      "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
    ],
    [
      "Bob",
      "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
      "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
    ],
  ])("gives %s's public key of RFC 7748, section 6.1", (_who, scalar, point) => {
    expect(x25519PublicKey(Buffer.from(scalar, "hex")).toString("hex")).toBe(point);
  });
});

describe("deriveKey", () => {
  // HKDF-SHA-256 with our salt, computed apart from node's hkdfSync (RFC 5869: extract, then one expand block).
  it("is HKDF-SHA-256 with the salt chatmail-proxy/1", () => {
    const hmac = (key: Buffer | string, data: Buffer | string) => {
      const block = Buffer.alloc(64);
      Buffer.from(key as string).copy(block);
      const xor = (byte: number) => Buffer.from(block.map((b) => b ^ byte));
      const inner = createHash("sha256").update(xor(0x36)).update(data).digest();
      return createHash("sha256").update(xor(0x5c)).update(inner).digest();
    };
    const extracted = hmac("chatmail-proxy/1", SEED);
    expect(deriveKey(SEED, "x")).toEqual(hmac(extracted, Buffer.concat([Buffer.from("x"), Buffer.from([1])])));
  });

  it("gives different keys for different purposes and seeds", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 32 }), fc.string(), fc.string(), (seed, a, b) => {
        fc.pre(a !== b);
        expect(deriveKey(seed, a)).not.toEqual(deriveKey(seed, b));
        expect(deriveKey(seed, a)).not.toEqual(deriveKey(`${seed}x`, a));
        expect(deriveKey(seed, a)).toEqual(deriveKey(seed, a));
      }),
    );
  });

  it("refuses a short seed without printing it", () => {
    expect(() => deriveKey("hunter2", "tunnel")).toThrow(
      'the seed for "tunnel" has 7 characters; at least 32 are needed',
    );
  });
});

describe("wireGuardKeyPair", () => {
  it("gives a clamped scalar and its point, both of 32 bytes", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 32 }), (seed) => {
        const pair = wireGuardKeyPair(seed, "p");
        const scalar = Buffer.from(pair.privateKey, "base64");
        expect(scalar).toHaveLength(32);
        expect((scalar[0] as number) & 7).toBe(0);
        expect((scalar[31] as number) & 192).toBe(64);
        expect(Buffer.from(pair.publicKey, "base64")).toEqual(x25519PublicKey(scalar));
      }),
    );
  });

  it("lets two ends agree", () => {
    const [a, b] = [wireGuardKeyPair(SEED, "a"), wireGuardKeyPair(SEED, "b")];
    const shared = (mine: string, theirs: string) =>
      diffieHellman({
        privateKey: createPrivateKey({
          key: Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), Buffer.from(mine, "base64")]),
          format: "der",
          type: "pkcs8",
        }),
        publicKey: createPublicKey({
          key: Buffer.concat([Buffer.from("302a300506032b656e032100", "hex"), Buffer.from(theirs, "base64")]),
          format: "der",
          type: "spki",
        }),
      });
    expect(shared(a.privateKey, b.publicKey)).toEqual(shared(b.privateKey, a.publicKey));
  });
});

describe("presharedKey", () => {
  it("has 32 bytes and is not the private key of the same purpose's pair", () => {
    expect(Buffer.from(presharedKey(SEED, "psk"), "base64")).toHaveLength(32);
    expect(presharedKey(SEED, "psk")).not.toBe(wireGuardKeyPair(SEED, "psk").privateKey);
  });
});

describe("sshKeyPair", () => {
  it("is read by OpenSSH, whose public half is ours", () => {
    const dir = mkdtempSync(join(tmpdir(), "keys-"));
    try {
      const pair = sshKeyPair(SEED, "host", "hel1.proxy.example.org");
      const file = join(dir, "key");
      writeFileSync(file, pair.privateKey, { mode: 0o600 });
      expect(execFileSync("ssh-keygen", ["-y", "-f", file], { encoding: "utf8" }).trim()).toBe(pair.publicKey);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it("is in OpenSSH's own format, which OpenSSH 9.2 reads", () => {
    expect(sshKeyPair(SEED, "host", "c").privateKey).toMatch(
      /^-----BEGIN OPENSSH PRIVATE KEY-----\n[^]*\n-----END OPENSSH PRIVATE KEY-----\n$/,
    );
  });
});
