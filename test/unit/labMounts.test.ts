import { leftMounts } from "../lab/mounts";

const line = (id: number, device: string, root: string, target: string) =>
  `${id} 1 ${device} ${root} ${target} rw - nsfs nsfs rw`;
const UP_BESIDE = [
  line(70, "0:4", "net:[4026532001]", "/run/netns/cpl-relay"),
  line(71, "0:90", "/", "/var/lib/chatmail-proxy-lab/machines/relay/root"),
].join("\n");

describe("mounts that a lab has left", () => {
  it("are not those of a lab that is up beside it", () =>
    expect(leftMounts("chatmail-proxy-lab-1", UP_BESIDE, UP_BESIDE)).toEqual([]));

  it.each([
    ["a disk", line(80, "0:91", "/", "/var/lib/chatmail-proxy-lab-1/machines/relay/root")],
    ["a network namespace", line(81, "0:4", "net:[4026532777]", "/run/netns/cpl-relay")],
  ])("are found: %s", (_what, left) =>
    expect(leftMounts("chatmail-proxy-lab-1", `${UP_BESIDE}\n${left}\n`, UP_BESIDE)).toEqual([left]),
  );

  it("are found where the lab has the machine's own name", () => {
    const left = line(82, "0:92", "/", "/var/lib/chatmail-proxy-lab/state");
    expect(leftMounts("chatmail-proxy-lab", left, "")).toEqual([left]);
  });
});
