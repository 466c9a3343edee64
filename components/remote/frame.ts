// What a host says, between two lines of ours: a login shell prints things of its own around it (a banner, a title, "failed
// logins: 3"), with or without a newline at the end. Pure.

const BEGIN = "chatmail-proxy: begin";
const END = "chatmail-proxy: end";

/**
 * The shell command that runs a script in a frame, keeps its exit status, and reads all of stdin, however much the script has
 * read: the command plugin fails with EOF when a command ends before that, though all went well.
 */
export const inFrame = (script: string): string =>
  `echo; echo "${BEGIN}"; ( ${script} ); s=$?; cat >/dev/null; echo; echo "${END}"; exit $s`;

/** What the script said, as the frame of a whole answer has it. */
export const frame = (said: string): string => `\n${BEGIN}\n${said}\n${END}`;

/**
 * What the script of this command line said. Without its frame nobody knows what it did, which counts as a failure. Only a
 * command line of a version that had no frame yet, and has not been run since, is believed as it is.
 */
export function framed(stdout: string, line: string): string {
  const begin = `\n${stdout}`.lastIndexOf(`\n${BEGIN}\n`);
  if (begin < 0) return line.includes(BEGIN) ? `failed ${missing(stdout)}` : stdout;
  const said = `\n${stdout}`.slice(begin + BEGIN.length + 2);
  const end = `${said}\n`.lastIndexOf(`\n${END}\n`);
  return end < 0 ? "failed its answer arrived cut off; pulumi up tries again" : said.slice(0, end);
}

const missing = (stdout: string) =>
  `its answer did not arrive; what did is ${JSON.stringify(stdout.trim().slice(0, 80))}. Does its login shell (.bashrc, .profile) end the session, or does authorized_keys run another command?`;
