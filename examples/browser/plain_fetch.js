/** The header for one request by hand, for a tracker without sessionTokenHeader. */
export function sessionTokenHeaders(tracker) {
  const token = tracker.getSessionToken();
  // None before the tracker has started, or where it may not: then no header, not "undefined".
  return token ? { "X-OpenReplay-SessionToken": token } : {};
}

export function postOrder(tracker, backend) {
  return fetch(`${backend}/orders`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...sessionTokenHeaders(tracker) },
    body: "{}",
  });
}
