import type { IncomingMessage, ServerResponse } from "node:http";

/** The header that the tracker sends for `network.sessionTokenHeader: true` (from 5.0.0). */
export declare const HEADER_NAME: "X-OpenReplay-SessionToken";

/** The header of newer OpenReplay pages: a decimal session id, which is not signed. */
export declare const SESSION_ID_HEADER_NAME: "openReplaySession.id";

/** How to read the session from a request's headers. */
export interface HeaderOptions {
  /** The header that holds the session token. Default: {@link HEADER_NAME}. */
  headerName?: string | undefined;
  /**
   * Also read the header `openReplaySession.id`. The id is not signed, so any client can send
   * another visitor's id: enable this only for callers that you trust. Default: false.
   */
  acceptSessionId?: boolean | undefined;
  /**
   * OpenReplay's `TOKEN_SECRET`; trailing line ends are removed. A token that was not signed with
   * it is ignored and counted. It cannot be combined with `acceptSessionId`. Default: signatures
   * are not verified, so any client can forge a token with another visitor's session id.
   */
  tokenSecret?: string | Uint8Array | undefined;
}

/**
 * Options of {@link install}. An omitted option keeps its value from the previous call, except that
 * setting any of the {@link HeaderOptions} resets the others to their defaults.
 */
export interface InstallOptions extends HeaderOptions {
  /**
   * Also tag everything that is written to `process.stdout`. Console methods and loggers are always
   * tagged. Do not enable this for programs whose stdout is their result. Default: false.
   */
  stdout?: boolean | undefined;
  /**
   * What to write: the session token or the session id. With `"id"`, logs contain no credential.
   * They contain no signature either, so set `tokenSecret` to verify tokens before they are logged.
   * `"id"` requires OpenReplay v1.21 or later. Default: `"token"`.
   */
  tag?: "token" | "id" | undefined;
  /**
   * The minimum level of logger records and console output to tag: a name such as `"warn"` or a
   * number on pino's scale. Other text is always tagged. Default: all levels.
   */
  level?: string | number | undefined;
  /**
   * Whether servers of `http`, `https` and `http2` read the header. Default: true in every call. To
   * use middleware instead, pass false in every call.
   */
  servers?: boolean | undefined;
  /** The modules pino, winston or bunyan, if a bundler hides them from this package. */
  loggers?: readonly unknown[] | undefined;
  /**
   * The template of {@link replayUrl}: an https:// URL that contains `{session}` once. Default: the
   * environment variable `OPENREPLAY_REPLAY_URL`.
   */
  replayUrl?: string | undefined;
}

/**
 * Tag everything that this process writes in a session. May be called again to change options.
 *
 * @throws TypeError if an option is unknown or invalid. Nothing is changed in this case.
 */
export declare function install(options?: InstallOptions): void;

/**
 * Undo all patches and reset all options. Patched functions that other code still holds behave like
 * the originals.
 */
export declare function uninstall(): void;

/** A visitor's session. Neither `JSON.stringify` nor `util.inspect` shows the token. */
export declare class Session {
  private constructor();
  /** The session id in decimal, 0 to 2 ** 64 - 1; a string, because numbers would be rounded. */
  readonly sessionId: string;
  /** The session token, a bearer credential; null if only the id is known. */
  get token(): string | null;
  /** The session tag for log lines, in the form that `install({ tag })` selects. */
  get tag(): string;
  /**
   * Return the session of a session token. The signature is not verified.
   *
   * @throws Error if it is not a session token. The message never quotes it.
   */
  static ofToken(token: string): Session;
  /**
   * Return the session with a decimal id.
   *
   * @throws RangeError if it is not a decimal number below 2 ** 64
   */
  static ofId(sessionId: string): Session;
}

/** Reads the session from the headers of a request. */
export declare class HeaderReader {
  /** @throws TypeError if an option is invalid. The message never quotes the secret. */
  constructor(options?: HeaderOptions);
  readonly headerName: string;
  readonly acceptSessionId: boolean;
  /**
   * Return the session that the headers name, or null. Never throws.
   *
   * @param valuesOf returns the value of a header, or an array of all its values. Different values
   *   are ambiguous, so they are ignored.
   */
  read(valuesOf: (lowerCaseName: string) => unknown): Session | null;
}

/** Return the current session; null outside a request with a session, and after its end. */
export declare function currentSession(): Session | null;

/** Return the current session's tag, or `""`; for lines that this package does not tag itself. */
export declare function currentTag(): string;

/**
 * Return the current session's field, or `{}`; for JSON that this package does not tag itself.
 *
 * Put it after anything that a visitor may have sent: `{ ...body, ...currentFields() }`.
 */
export declare function currentFields(): Record<string, string>;

/**
 * Return a text with the current session's tag on every non-blank line, or its field if the text or
 * a line is a JSON object.
 *
 * Values that are not strings are returned unchanged. Never throws.
 */
export declare function tagLines<T>(text: T): T;

/**
 * Run a function in a session and return its result. The session ends when the function returns or,
 * if it returns a promise, when that settles.
 *
 * @param session the session; null runs the function without one
 */
export declare function useSession<T>(session: Session | null, callback: () => T): T;

/**
 * {@link useSession} with a session token. An invalid token is counted, and the function runs
 * without a session. The signature is not verified.
 */
export declare function useSessionToken<T>(token: string | null | undefined, callback: () => T): T;

/**
 * Bind a function to the current session, wherever it is called later.
 *
 * Use it for queues, batches, and listeners on resources that several visitors share.
 */
export declare function carry<F extends (...args: never[]) => unknown>(callback: F): F;

/**
 * Return headers that name the current session; `{}` without a session token.
 *
 * Add them to messages for jobs and worker threads, and to requests to your own services. The token
 * is the visitor's credential: never send it to third parties.
 */
export declare function outgoingHeaders(): Record<string, string>;

/**
 * {@link useSession} with headers from {@link outgoingHeaders}. Header names are case-insensitive.
 * Without a valid token the function runs without a session.
 */
export declare function useHeaders<T>(headers: unknown, callback: () => T): T;

/**
 * Return names for `Access-Control-Allow-Headers`: the given names and {@link HEADER_NAME}, without
 * duplicates.
 */
export declare function corsAllowHeaders(...others: string[]): string[];

/**
 * Return the link to the replay of the current session; null without a session or valid template.
 *
 * The link is not a credential: OpenReplay asks for a login.
 */
export declare function replayUrl(): string | null;

/** Create middleware for Express, Connect and Nest. Register it first. */
export declare function expressMiddleware(
  options?: HeaderOptions,
): (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/** Create middleware for Koa. Register it first. */
export declare function koaMiddleware(
  options?: HeaderOptions,
): <T>(
  context: { req: IncomingMessage; res: ServerResponse },
  next: () => Promise<T>,
) => Promise<T>;

/** Fastify plugin that applies to the whole application. Register it first. */
export declare function fastifyPlugin(
  app: { addHook(name: "onRequest", hook: (...args: any[]) => void): unknown },
  options: HeaderOptions | undefined,
  done: (error?: Error) => void,
): void;

/**
 * Return the session that the headers of a Lambda event name; null if they name none.
 *
 * Supports events of API Gateway (payload formats 1.0 and 2.0), of Application Load Balancers (with
 * single-value or multi-value headers), and of function URLs. Other events have no session.
 */
export declare function sessionOfEvent(event: unknown, reader?: HeaderReader): Session | null;

/**
 * Wrap a Lambda handler so that it runs in the session that the event's headers name.
 *
 * The session ends when the handler's promise settles, when the handler calls `context.succeed()`,
 * `context.fail()` or `context.done()`, or when it calls its callback. After a successful callback,
 * it ends when the event loop is empty, unless `context.callbackWaitsForEmptyEventLoop` is false.
 * The session of a streaming handler ends when its promise has settled and its response stream is
 * closed.
 */
export declare function tagLambdaHandler<F extends (...args: any[]) => unknown>(
  handler: F,
  options?: HeaderOptions,
): F;

/** Counters of this process. */
export interface TaggingCounts {
  /** Requests with an invalid session token, or with several different ones. */
  ignoredHeaders: number;
  /**
   * Requests whose token was not signed with `tokenSecret`. If this counts every request, the
   * secret belongs to another OpenReplay instance.
   */
  unverifiedHeaders: number;
  /** Texts that were written without a tag because tagging failed. */
  untaggedTexts: number;
  /** Failures to observe the end of a request or to clean up after it. */
  failedCleanups: number;
}

/** Return the counters of this process. */
export declare function taggingCounts(): TaggingCounts;
