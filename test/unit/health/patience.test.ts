import { patienceFor } from "../../../components/health/healthCheck";
import { parseInsideView } from "../../../components/remote/facts";

const view = (...lines: string[]) => parseInsideView(lines.join("\n"));
const UP = ["handshake 3", "endpoint 192.0.2.9:51820"];
const OPEN = ["port 25 4 open 220 mx", "port 443 4 open"];

describe("an answer from outside is waited for", () => {
  it.each([
    ["as long as a relay may take to restart, where nothing is known", undefined, false, 30_000],
    ["so long where the relay has not called yet", view("handshake 999999"), false, 30_000],
    ["not at all where it was waited for inside, in vain", view("handshake 999999"), true, 0],
    ["while its services may be about to start", view(...UP, ...OPEN, "port 993 4 shut"), true, 20_000],
    ["while they may be, where none is known to answer", view(...UP), false, 20_000],
    [
      "shortly where all answer inside: what is in the way then goes away by no waiting",
      view(...UP, ...OPEN),
      true,
      10_000,
    ],
    ["shortly without a tunnel, where all answer", view("handshake none", ...OPEN), false, 10_000],
  ] as const)("%s", (_title, seen, waited, ms) => {
    expect(patienceFor({ view: seen, waited })).toBe(ms);
  });
});
