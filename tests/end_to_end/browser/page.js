// The page of the browser test: the examples as they are, one button each.
import { createTracker } from "../../../examples/browser/tracker.js";
import { postOrder } from "../../../examples/browser/plain_fetch.js";
import { createClient } from "../../../examples/browser/with_axios.js";

const asked = new URLSearchParams(location.search);
const backend = asked.get("backend").replace(/\/$/, "");
const status = document.getElementById("status");
const tracker = createTracker({
  backend,
  projectKey: "shop",
  ingestPoint: asked.get("ingest"),
  // For this test alone: its servers have no TLS.
  __DISABLE_SECURE_MODE: true,
});

const ways = {
  tracker: () => fetch(`${backend}/orders`, { method: "POST", body: "{}" }),
  fetch: () => postOrder(tracker, backend),
  axios: () => createClient(tracker, backend).post("/orders", {}, { validateStatus: null }),
  other: () => fetch(asked.get("other"), { method: "POST", body: "{}" }),
};
for (const [way, ask] of Object.entries(ways)) {
  document.getElementById(way).addEventListener("click", async () => {
    status.textContent = `${way}: asking`;
    try {
      status.textContent = `${way}: answered ${(await ask()).status}`;
    } catch (error) {
      status.textContent = `${way}: ${error}`;
    }
  });
}
tracker.start({ userID: asked.get("visitor") }).then((started) => {
  status.textContent = started.success ? `session ${started.sessionID}` : `no session: ${started.reason}`;
});
