FROM denoland/deno:2.9.6
WORKDIR /app
COPY deno.json deno.lock ./
COPY main.ts ./
COPY src ./src
RUN deno install --frozen --entrypoint main.ts && deno cache --frozen main.ts
USER deno
# one arena, given back early: what is freed would otherwise stay with the process
ENV DENO_NO_UPDATE_CHECK=1 MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=131072
# in a container of this size V8 would give itself a heap larger than the container (README, memory)
CMD ["run", "-A", "--cached-only", "--no-remote", "--v8-flags=--max-old-space-size=64,--max-semi-space-size=4", "main.ts", "replica"]
