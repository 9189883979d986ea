import axios from "axios";
import { sessionTokenHeaders } from "./plain_fetch.js";

/** An axios instance for your backend, whose requests carry the session token. */
export function createClient(tracker, backend) {
  const client = axios.create({ baseURL: backend });
  client.interceptors.request.use((request) => {
    request.headers.set(sessionTokenHeaders(tracker));
    return request;
  });
  return client;
}
