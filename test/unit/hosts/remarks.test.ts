import { remarks } from "../../../components/hosts/remarks";
import { BARE_STATUS } from "../aStack";

const NOW = new Date("2026-11-29T12:00:00Z");
const well = { ...BARE_STATUS, clock: NOW.getTime() / 1000 };

describe("what deserves a word on a host", () => {
  it("is nothing where all is well", () => expect(remarks(well, NOW)).toEqual([]));

  it("is a reboot that it waits for", () =>
    expect(remarks({ ...well, reboot: "an update waits for it" }, NOW)).toEqual([
      "it should be rebooted: an update waits for it",
    ]));

  it.each([
    [121, "its clock is 121 s fast"],
    [-3600, "its clock is 3600 s slow"],
  ])("is a clock that is wrong by %i s", (wrong, text) =>
    expect(remarks({ ...well, clock: well.clock + wrong }, NOW)).toEqual([expect.stringContaining(text)]),
  );

  it("is no clock that is wrong by less", () => expect(remarks({ ...well, clock: well.clock - 100 }, NOW)).toEqual([]));

  it.each([
    [150e6, 20e9, true],
    [150e6, 1e9, false],
    [900e6, 20e9, false],
  ])("is a disk with %d of %d bytes left: %s", (free, of, told) =>
    expect(remarks({ ...well, disk: { free, of } }, NOW)).toHaveLength(told ? 1 : 0),
  );

  it.each([
    [1, "the 1st time"],
    [2, "the 2nd time"],
    [3, "the 3rd time"],
    [11, "the 11th time"],
    [13, "the 13th time"],
    [22, "the 22nd time"],
    [112, "the 112th time"],
  ])("is what the host put back today, for the %i. time", (healed, text) =>
    expect(
      remarks({ ...well, healed, lastHealed: `${healed} 2026-11-29T03:00:00Z the table inet chatmail_proxy` }, NOW),
    ).toEqual([expect.stringContaining(`2026-11-29T03:00:00Z (the table inet chatmail_proxy), ${text} so far`)]),
  );

  it("is nothing that was put back the day before", () =>
    expect(remarks({ ...well, healed: 4, lastHealed: "4 2026-11-28T03:00:00Z a route" }, NOW)).toEqual([]));
});
