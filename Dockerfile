FROM denoland/deno:2.9.6
WORKDIR /app
COPY deno.json ./
COPY main.ts ./
COPY src ./src
RUN deno install --config src/packages/deno.json --frozen --entrypoint main.ts && deno cache --config src/packages/deno.json --frozen main.ts
# a new volume inherits owner and mode: only its owner may enter it
RUN install -d -m 700 -o deno -g deno /var/lib/galo
USER deno
# one arena, trimmed early: freed memory would otherwise stay with the process
ENV DENO_NO_UPDATE_CHECK=1 MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=131072
# V8 would give itself a heap larger than the container, and mark all of it every few seconds, for which a replica's
# share of CPU does not last: growing by 80 % in between makes that rarer
CMD ["run", "-A", "--config", "src/packages/deno.json", "--cached-only", "--no-remote", "--v8-flags=--max-old-space-size=64,--max-semi-space-size=2,--heap-growing-percent=80", "main.ts", "replica"]
