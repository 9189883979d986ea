import Tracker from "@openreplay/tracker";

/**
 * A tracker that adds the session token to fetch and XMLHttpRequest calls to your own backend.
 *
 * Without tokenUrlMatcher every host gets the header, third parties included: the token is the
 * visitor's credential, and their CORS settings refuse a header that they do not know.
 */
export function createTracker({ backend, ...options }) {
  return new Tracker({
    ...options,
    network: {
      // By name, since `true` means another one (X-OpenReplay-Session-Token) for axiosInstances.
      sessionTokenHeader: "X-OpenReplay-SessionToken",
      tokenUrlMatcher: (url) => new URL(url, location.href).origin === new URL(backend).origin,
    },
  });
}
