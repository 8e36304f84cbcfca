/** Something between a replica and a stand-in processor that answers for it, as gateways do. @module */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What came in. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  /** on the monotonic clock, in milliseconds */
  readonly atMs: number;
}

export interface Told {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

/** What it does with a request: answers itself, after or without passing it on; undefined drops the connection. */
export type Rule = (asked: Asked, pass: () => Promise<Told>) => Told | undefined | Promise<Told | undefined>;

/** A server on a free port in front of `target`. `await using` stops it once all that was passed on has ended. */
export class Gateway implements AsyncDisposable {
  readonly asked: Asked[] = [];
  readonly #server: Server;
  readonly #passing = new Set<Promise<unknown>>();

  private constructor(private readonly target: string, public rule: Rule) {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static start(target: string, rule: Rule = (_, pass) => pass()): Promise<Gateway> {
    const gateway = new Gateway(target, rule);
    return new Promise((resolve) => gateway.#server.listen(0, "127.0.0.1", () => resolve(gateway)));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Payments that came in, repeated ones too. */
  get payments(): Asked[] {
    return this.asked.filter(({ method }) => method === "POST");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += chunk;
    const asked = { method: request.method!, path: request.url!, body, atMs: performance.now() };
    this.asked.push(asked);
    const pass = () => {
      const passed = this.#pass(asked);
      this.#passing.add(passed);
      return passed;
    };
    const told = await this.rule(asked, pass);
    if (!told) return void response.destroy();
    response.writeHead(told.status, { "content-type": "application/json", ...told.headers });
    response.end(told.body === undefined ? "" : JSON.stringify(told.body));
  }

  async #pass({ method, path, body }: Asked): Promise<Told> {
    const answer = await fetch(`${this.target}${path}`, { method, body: method === "POST" ? body : null });
    const text = await answer.text();
    return { status: answer.status, body: text === "" ? undefined : JSON.parse(text) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#passing);
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}
