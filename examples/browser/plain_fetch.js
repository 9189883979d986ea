/** Return the header for one request, for trackers without the option sessionTokenHeader. */
export function sessionTokenHeaders(tracker) {
  const token = tracker.getSessionToken();
  // There is no token before the tracker starts, or if it is blocked. Do not send "undefined".
  return token ? { "X-OpenReplay-SessionToken": token } : {};
}

export function postOrder(tracker, backend) {
  return fetch(`${backend}/orders`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...sessionTokenHeaders(tracker) },
    body: "{}",
  });
}
