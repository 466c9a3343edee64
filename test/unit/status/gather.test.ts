// In which order a status asks, and what of it is asked at all.
import { gather, type StatusWorld } from "../../../scripts/status/gather";
import { answering, ASH1, HEL1, NOW, silent, STACK } from "./aLook";

/** Says what is asked, in its order; nothing lets us in. */
function world(asked: string[], changes: Partial<StatusWorld> = {}): StatusWorld {
  return {
    ask: (login) => {
      asked.push(`ssh ${login.host}`);
      return Promise.resolve({ reachable: false, why: "silent", reason: "nothing answers" });
    },
    probe: ({ address }) => {
      asked.push(`ports ${address}`);
      return Promise.resolve(address === HEL1[0] ? silent : answering);
    },
    answers: () => Promise.resolve({ authoritative: [], resolver: { server: "resolver", addresses: undefined } }),
    reverse: () => Promise.resolve([]),
    certificate: (address, port) => {
      asked.push(`certificate ${address} ${port}`);
      return Promise.resolve(undefined);
    },
    now: () => NOW,
    ...changes,
  };
}

it("tries the ports first, since logins would make them seem slow", async () => {
  const asked: string[] = [];
  await gather(STACK, world(asked));
  expect(asked.slice(0, 4)).toEqual([...HEL1, ...ASH1].map((address) => `ports ${address}`));
  expect(asked).toContain("ssh 192.168.77.10");
});

it("looks at hosts all the same while a port that is silent is waited for", async () => {
  const asked: string[] = [];
  let looked: () => void = () => undefined;
  const login = new Promise<void>((resolve) => (looked = resolve));
  const found = await gather(
    STACK,
    world(asked, {
      probe: () => login.then(() => silent),
      ask: () => {
        looked();
        return Promise.resolve({ reachable: false, why: "silent", reason: "nothing answers" });
      },
    }),
  );
  expect(found.seen.relay).toMatchObject({ reachable: false });
});

it("asks ports once more that are silent while others answer at the same address, and no address that is silent", async () => {
  const asked: string[] = [];
  const { outside } = await gather(
    STACK,
    world(asked, {
      probe: ({ address, ports }) => {
        asked.push(`${address} ${ports.join()}`);
        const slow = address === ASH1[0] && ports.length > 1;
        return Promise.resolve(
          address === HEL1[0]
            ? silent
            : answering
                .filter(({ port }) => ports.includes(port))
                .map((each, i) => (slow && i === 0 ? { port: each.port, answer: { kind: "silent" } as const } : each)),
        );
      },
    }),
  );
  expect(asked.filter((each) => each.startsWith(HEL1[0]))).toEqual([`${HEL1[0]} 25,443`]);
  expect(asked.filter((each) => each.startsWith(ASH1[0]))).toEqual([`${ASH1[0]} 25,443`, `${ASH1[0]} 25`]);
  expect(outside.get(ASH1[0])).toEqual(answering);
});

it("looks at a certificate where the port answers, and only at ports that are forwarded", async () => {
  const asked: string[] = [];
  const { certificates } = await gather(STACK, world(asked));
  expect(asked.filter((each) => each.startsWith("certificate"))).toEqual([`certificate ${HEL1[1]} 443`]);
  expect(certificates).toEqual([{ port: 443, view: undefined }]);
});

it("asks no server that was bought where the stack has no key for it", async () => {
  const asked: string[] = [];
  const { seen } = await gather(STACK, world(asked));
  expect(asked.filter((each) => each.startsWith("ssh"))).toEqual(["ssh 192.168.77.10"]);
  expect([...seen.proxies]).toEqual([]);
});
