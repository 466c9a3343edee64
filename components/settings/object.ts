// Objects and lists in the settings. Pure.
import { z } from "zod";
import { shown } from "./values";

/** An object with these keys and no other; the error for another lists the ones there are. */
export const object = <T extends z.ZodRawShape>(what: string, shape: T) =>
  z.strictObject(shape, {
    error: (issue) => {
      const keys = Object.keys(shape).join(", ");
      if (issue.code === "unrecognized_keys")
        return `has an unknown key ${(issue as unknown as { keys: string[] }).keys.map(shown).join(", ")}. Known here: ${keys}.`;
      return issue.input === undefined
        ? `is missing. Give ${what}: ${keys}.`
        : `${shown(issue.input)} is not ${what}. Give it the keys ${keys}.`;
    },
  });

/** A list of these; `what` says of what, for the error where there is none. */
export const list = <T extends z.ZodType>(of: T, what: string) =>
  z.array(of, {
    error: (issue) =>
      issue.input === undefined ? `is missing. Give ${what}.` : `${shown(issue.input)} is not a list. Give ${what}.`,
  });
