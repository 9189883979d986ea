import type { IncomingMessage, ServerResponse } from "node:http";

/** The header that the tracker's `network.sessionTokenHeader: true` sends (tracker 5.0.0 on). */
export declare const HEADER_NAME: "X-OpenReplay-SessionToken";

/** The header of OpenReplay's newer pages: a decimal session id, which nobody signs. */
export declare const SESSION_ID_HEADER_NAME: "openReplaySession.id";

/** How the session is read from a request's headers. */
export interface HeaderOptions {
  /** The header with the session token. Default: {@link HEADER_NAME}. */
  headerName?: string | undefined;
  /**
   * Also understand `openReplaySession.id`. Anybody can send another visitor's id there, and
   * nothing signs it: only for callers that you trust. Default: false.
   */
  acceptSessionId?: boolean | undefined;
  /**
   * OpenReplay's `TOKEN_SECRET`; line ends behind it are not part of it. A token that was not
   * signed with it is ignored and counted. Default: anybody can send a token with another visitor's
   * session id and a made-up signature.
   */
  tokenSecret?: string | Uint8Array | undefined;
}

/** The options of {@link install}. What is left out stays as it was. */
export interface InstallOptions extends HeaderOptions {
  /**
   * Tag what is written to `process.stdout` as well. Console methods and loggers are tagged always.
   * Not where stdout is a program's result. At first: false.
   */
  stdout?: boolean | undefined;
  /**
   * `"id"` writes the session id in place of the session token, for the logs of those whose
   * OpenReplay is v1.21 or later: no credential is in them then, and no signature, so give
   * `tokenSecret`. At first: `"token"`.
   */
  tag?: "token" | "id" | undefined;
  /**
   * The level from which records of loggers and console methods are tagged: a name such as
   * `"warn"`, or a number on pino's scale. Everything else is tagged always. At first: all are.
   */
  level?: string | number | undefined;
  /** Whether servers of `http`, `https` and `http2` read the header. Default: true. */
  servers?: boolean | undefined;
  /** The modules pino, winston or bunyan, where a bundler hides them from this package. */
  loggers?: readonly unknown[] | undefined;
  /**
   * The template of {@link replayUrl}'s links. At first: the environment variable
   * `OPENREPLAY_REPLAY_URL`.
   */
  replayUrl?: string | undefined;
}

/**
 * Tag what this process writes while it works for a visitor's session.
 *
 * @throws TypeError an option is not what it can be; nothing is changed then
 */
export declare function install(options?: InstallOptions): void;

/** Put everything back. What others took hold of meanwhile does nothing from here on. */
export declare function uninstall(): void;

/** A visitor's session. Neither `JSON.stringify` nor `util.inspect` shows the token. */
export declare class Session {
  private constructor();
  /** The session's id, 0 to 2 ** 64 - 1, in decimal: JavaScript rounds such numbers. */
  readonly sessionId: string;
  /** The session token, a bearer credential of the session; null where only the id is known. */
  get token(): string | null;
  /** The session tag that log lines get. */
  get tag(): string;
  /**
   * The session that a session token names.
   *
   * @throws Error it is not a session token. The message never quotes it.
   */
  static ofToken(token: string): Session;
  /**
   * The session with a decimal id.
   *
   * @throws RangeError it is not a decimal number of 64 bits
   */
  static ofId(sessionId: string): Session;
}

/** Finds the visitor's session in the headers of a request. */
export declare class HeaderReader {
  /** @throws TypeError an option is not what it can be. The message never quotes the secret. */
  constructor(options?: HeaderOptions);
  readonly headerName: string;
  readonly acceptSessionId: boolean;
  /**
   * The session that the headers name, or null. Never throws.
   *
   * @param valuesOf the value of a header, or an array of all its values. More than one is not a
   *   session token: which of them is the visitor's is unknown.
   */
  read(valuesOf: (lowerCaseName: string) => unknown): Session | null;
}

/** The session of the work at hand; null outside a request that named one, and after it. */
export declare function currentSession(): Session | null;

/** The session tag of the work at hand, for lines that are written some other way; or `""`. */
export declare function currentTag(): string;

/**
 * The session field of the work at hand, for JSON that is written some other way; or `{}`.
 *
 * Write it behind everything that a visitor may have sent: `{ ...body, ...currentFields() }`.
 */
export declare function currentFields(): Record<string, string>;

/**
 * The text with the tag of the work at hand in every line, or with the field where it is JSON.
 *
 * Any value that is not a string is returned as it is. Never throws.
 */
export declare function tagLines<T>(text: T): T;

/**
 * Work for a session while a function runs, and until the promise that it returns is settled.
 *
 * @param session null: nobody's work
 */
export declare function useSession<T>(session: Session | null, callback: () => T): T;

/** {@link useSession} by token. What is not a session token is counted: the work is nobody's. */
export declare function useSessionToken<T>(token: string | null | undefined, callback: () => T): T;

/**
 * A function that works for the session of whoever made it, wherever it is called.
 *
 * For queues, batches, and listeners of what several visitors share.
 */
export declare function carry<F extends (...args: never[]) => unknown>(callback: F): F;

/**
 * Headers that name the session of the work at hand; none where there is no session token.
 *
 * For the message of a job or of a worker thread, and for requests to your own services. The token
 * is the visitor's credential: send it to nobody else.
 */
export declare function outgoingHeaders(): Record<string, string>;

/** {@link useSession} by headers, as {@link outgoingHeaders} has made them; in any case. */
export declare function useHeaders<T>(headers: unknown, callback: () => T): T;

/** Headers for `Access-Control-Allow-Headers`: yours and the session token's, each once. */
export declare function corsAllowHeaders(...others: string[]): string[];

/**
 * The link of the replay of the current request's session; null without a session or a template.
 *
 * The link is not a credential: who opens it has to log in to OpenReplay.
 */
export declare function replayUrl(): string | null;

/** Middleware for Express, Connect and Nest; put it first. */
export declare function expressMiddleware(
  options?: HeaderOptions,
): (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/** Middleware for Koa; put it first. */
export declare function koaMiddleware(
  options?: HeaderOptions,
): <T>(
  context: { req: IncomingMessage; res: ServerResponse },
  next: () => Promise<T>,
) => Promise<T>;

/** A plugin for Fastify, for the whole application; register it first. */
export declare function fastifyPlugin(
  app: { addHook(name: "onRequest", hook: (...args: any[]) => void): unknown },
  options: HeaderOptions | undefined,
  done: (error?: Error) => void,
): void;

/**
 * The session that the headers of a Lambda event name; null for events of other kinds.
 *
 * Understood are the events of API Gateway, payload formats 1.0 and 2.0, of Application Load
 * Balancers, with single and multiple values, and of function URLs.
 */
export declare function sessionOfEvent(event: unknown, reader?: HeaderReader): Session | null;

/**
 * Wrap a Lambda handler: it works for the session that the event's header names.
 *
 * The work ends with the promise of the handler, with the first answer to its callback or its
 * context, or with the stream of its answer.
 */
export declare function tagLambdaHandler<F extends (...args: any[]) => unknown>(
  handler: F,
  options?: HeaderOptions,
): F;

/** What has been counted in this process. */
export interface TaggingCounts {
  /** Requests whose header held no session token, or several. */
  ignoredHeaders: number;
  /**
   * Requests whose token was not signed with `tokenSecret`. Where that is every request, the secret
   * is another OpenReplay's.
   */
  unverifiedHeaders: number;
  /** Texts that left untagged because tagging them failed. */
  untaggedTexts: number;
  /** Ends of requests after which something could not be put right. */
  failedCleanups: number;
}

/** What has been counted in this process, by name. */
export declare function taggingCounts(): TaggingCounts;
