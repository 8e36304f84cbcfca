/** A payment processor, as small as the honesty test needs it. @module */

const fee = Number(Deno.args[0]);
let delayMs = 0;
let failing = false;
const booked = new Map<string, { amount: number; at: number }>();

async function handle(request: Request): Promise<Response> {
  const url = new URL(request.url);
  switch (url.pathname) {
    case "/payments": {
      const { correlationId, amount, requestedAt } = await request.json();
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
      if (failing) return new Response(null, { status: 500 });
      if (booked.has(correlationId)) return new Response(null, { status: 422 });
      booked.set(correlationId, { amount, at: Date.parse(requestedAt) });
      return Response.json({ message: "payment processed successfully" });
    }
    case "/admin/payments-summary": {
      const from = Date.parse(url.searchParams.get("from") ?? "1970-01-01");
      const to = Date.parse(url.searchParams.get("to") ?? "2970-01-01");
      const found = [...booked.values()].filter(({ at }) => at >= from && at <= to);
      const totalAmount = found.reduce((sum, { amount }) => sum + Math.round(amount * 100), 0) / 100;
      return Response.json({
        totalRequests: found.length,
        totalAmount,
        totalFee: totalAmount * fee,
        feePerTransaction: fee,
      });
    }
    case "/admin/purge-payments":
      booked.clear();
      return Response.json({ message: "purged" });
    case "/admin/configurations/delay":
      delayMs = (await request.json()).delay;
      return Response.json({});
    case "/admin/configurations/failure":
      failing = (await request.json()).failure;
      return Response.json({});
  }
  return new Response(null, { status: 404 });
}

async function endWithParent(): Promise<void> {
  for await (const _ of Deno.stdin.readable);
  Deno.exit(0);
}

endWithParent();
const onListen = ({ port }: Deno.NetAddr) => console.log(`http://127.0.0.1:${port}`);
Deno.serve({ port: 0, hostname: "127.0.0.1", onListen }, handle);
