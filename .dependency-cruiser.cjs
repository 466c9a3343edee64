// Who may import whom (docs/architecture.md). A lower floor knows nothing of a higher one, so that the code can be read from
// below; what a file on a floor needs of its neighbours on the same floor is its own business, but never in a circle.
const FLOORS = [
  // Values, and words for their faults.
  String.raw`^components/(addresses|ports|operatorError|outputValue|componentTypes|ownerMark|projectProgram)\.ts$|^components/settings/(values|object|fault|token|anyProxy)\.ts$`,
  // Text for hosts, and what hosts answer. Pure.
  String.raw`^components/(filter|tunnel|platforms)/|^components/remote/(bundle|document|applied|facts|frame|hostctl)\.ts$`,
  // Hosts, and how they are reached.
  String.raw`^components/(hosts|remote)/`,
  // Settings as a whole, the zone, health checks from outside.
  String.raw`^components/(settings|dns|health)/|^components/settings\.ts$`,
  // A proxy, the relay, what a run finds and tells.
  String.raw`^components/(?!index\.ts$)[^/]+\.ts$`,
  // What other programs import.
  String.raw`^components/(api/|index\.ts$)`,
  String.raw`^index\.ts$`,
];

/** A file is on the lowest floor that names it. */
const onFloor = (floor) => ({ path: FLOORS[floor], pathNot: FLOORS.slice(0, floor) });

module.exports = {
  forbidden: [
    { name: "no-circle", severity: "error", from: {}, to: { circular: true } },
    ...FLOORS.slice(0, -1).flatMap((_, lower) =>
      FLOORS.slice(lower + 1).map((_higher, i) => ({
        name: `floor-${lower}-knows-nothing-of-${lower + 1 + i}`,
        severity: "error",
        from: onFloor(lower),
        to: onFloor(lower + 1 + i),
      })),
    ),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    // Types count, too.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
  },
};
