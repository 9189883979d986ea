// A function that knows nothing of session tokens.
import { setTimeout as sleep } from "node:timers/promises";

export const handler = async (event) => {
  console.error("no card of %s", event.headers["user-agent"]);
  await sleep(10);
  throw new RangeError(`no stock left\nfor ${event.headers["user-agent"]}`);
};
