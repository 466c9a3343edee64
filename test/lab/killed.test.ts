// `pulumi up` that is killed at any moment, as by a power cut or by a person who has waited long enough: neither state nor
// mail is lost, and `pulumi cancel` with one run more brings everything to where the settings want it.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { newAccount, relayTarget } from "../../scripts/lab/mail";
import { MAIL_PORTS } from "../../scripts/lab/plan";
import { sleep } from "../../scripts/lab/wait";
import { succeeded, theLab, type Config, type TheLab } from "./theLab";
import { underTraffic } from "./traffic";

jest.setTimeout(600_000);

const MOMENTS = 4;

let the: TheLab;

beforeAll(async () => {
  the = await theLab();
});
afterAll(() => the?.close());

/** Another value for each round, so that each has something to do. */
const CHANGES: Record<string, (config: Config, round: number) => void> = {
  "other ports": (config, round) =>
    void (config["chatmail-proxy:ports"] = MAIL_PORTS.filter((port) => port !== [143, 465, 587, 80][round % 4])),
  "other keys and another MTU": (config, round) =>
    void (config["chatmail-proxy:tunnel"] = { keyGeneration: 10 + round, mtu: 1380 + round }),
  "an egress, or none": (config, round) => void (config["chatmail-proxy:egress"] = round % 2 === 0 ? ["hel1"] : []),
};

describe.each(Object.entries(CHANGES))("a run that brings %s", (_title, change) => {
  afterAll(async () => void succeeded(await the.up()));

  it(`may be killed at ${MOMENTS} random moments: a cancel and one run more, and a second one has nothing to do`, async () => {
    let began = Date.now();
    succeeded(await the.up((config) => change(config, 0)));
    const whole = Date.now() - began;
    const killed: string[] = [];
    const report = await underTraffic(
      the.lab,
      async () => {
        for (let round = 1; round <= MOMENTS; round++) {
          // One in each part of a run, so that all parts have their turn.
          const moment = ((round - 1 + Math.random()) / MOMENTS) * whole;
          const at = `round ${round}, killed after ${(moment / 1000).toFixed(2)} s of ${(whole / 1000).toFixed(2)} s`;
          const wanted = (config: Config) => change(config, round);
          const powerCut = new AbortController();
          began = Date.now();
          const run = the.up(wanted, { signal: powerCut.signal });
          await Promise.race([sleep(moment), run]);
          powerCut.abort();
          if ((await run).status !== 0) killed.push(at);

          const rounds = {
            cancel: await the.pulumi("cancel", "--yes"),
            list: await the.pulumi("stack", "ls"),
            up: await the.up(wanted),
            again: await the.up(wanted),
          };
          for (const [step, { status, output }] of Object.entries(rounds))
            if (status !== 0) throw new Error(`${at}: then ${step} ended with status ${status}:\n${output}`);
          expect(`${at}\n${rounds.again.output}`).toMatch(/Resources:\n {4}\d+ unchanged\n/);
          for (const address of await the.addresses("hel1")) await the.client.login(newAccount(), relayTarget(address));
        }
      },
      { patience: 90 },
    );
    // The last moment may lie behind the end of a run that was quicker than the first.
    expect(killed.length).toBeGreaterThanOrEqual(MOMENTS - 1);
    expect({ lost: report.lost }).toEqual({ lost: [] });
  });
});

it("leaves no side file beside the state, which a run that is killed may leave empty, and then no state can be read", () => {
  const state = join(the.lab.dirs.state, "stack/state/.pulumi");
  const files = readdirSync(state, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(join(state, name)).isFile(),
  );
  expect(files.filter((name) => /stacks\/.*\.json$/.test(name))).not.toEqual([]);
  expect(files.filter((name) => name.endsWith(".attrs"))).toEqual([]);
});
