import axios from "axios";
import { sessionTokenHeaders } from "./plain_fetch.js";

/** Create an axios instance whose requests to your backend carry the session token. */
export function createClient(tracker, backend) {
  const client = axios.create({ baseURL: backend });
  client.interceptors.request.use((request) => {
    request.headers.set(sessionTokenHeaders(tracker));
    return request;
  });
  return client;
}
