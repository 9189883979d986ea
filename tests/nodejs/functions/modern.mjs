import { setTimeout as sleep } from "node:timers/promises";

const word = await Promise.resolve("called");

export const handler = async (event) => {
  await sleep(1);
  console.error(`${word} of ${event.who}`);
  if (event.fail) throw new Error(`failed of ${event.who}`);
  return "done";
};
