// The program: a stack of proxies, as its settings say. Reads and checks these; all that follows is components/run.ts.
import type * as pulumi from "@pulumi/pulumi";
import { ownStack } from "./components/ownStack";
import { runStack } from "./components/run";
import { readSettings } from "./components/settings";
import { OPERATORS_MACHINE, type World } from "./components/world";

async function main(world: World = OPERATORS_MACHINE): Promise<pulumi.Inputs> {
  const settings = readSettings(await world.agent());
  const { outputs, secrets } = await runStack(settings, world, ownStack());
  return { ...outputs, ...secrets };
}

export = main;
