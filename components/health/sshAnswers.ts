// Whether a machine's SSH answers, seen from this one.
import { connect } from "node:net";

/** Whether an SSH server greets on a TCP port, within so many milliseconds: a machine that restarts may well be back by then. */
export async function sshAnswersFromHere(host: string, port: number, within = 10_000): Promise<boolean> {
  const deadline = Date.now() + within;
  const attempt = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect({ host, port });
      const done = (answered: boolean) => {
        socket.destroy();
        resolve(answered);
      };
      socket.setTimeout(4000, () => done(false));
      socket.on("error", () => done(false));
      // Without an error, and the timeout goes with it: as by an sshd that is just being restarted.
      socket.on("close", () => done(false));
      // A machine in trouble may still accept connections that nobody serves.
      socket.once("data", (data) => done(data.toString("latin1").startsWith("SSH-")));
    });
  for (;;) {
    if (await attempt()) return true;
    if (Date.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
