import Tracker from "@openreplay/tracker";

/**
 * Create a tracker that adds the session token to fetch and XMLHttpRequest calls to your backend.
 *
 * Without tokenUrlMatcher, every host gets the header. The token is the visitor's credential, so
 * third parties must not receive it, and their CORS settings reject an unknown header.
 */
export function createTracker({ backend, ...options }) {
  return new Tracker({
    ...options,
    network: {
      // Name the header: `true` selects X-OpenReplay-Session-Token for axiosInstances.
      sessionTokenHeader: "X-OpenReplay-SessionToken",
      tokenUrlMatcher: (url) => new URL(url, location.href).origin === new URL(backend).origin,
    },
  });
}
