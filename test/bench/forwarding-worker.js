/**
 * Two Workers to measure the edge against.
 *
 * `/forward` does nothing: it streams the body on with `fetch`. `/floor` does what any gateway must that signs what it
 * sends and answers in its own name, with the platform's calls alone and no logic: it reads the body, computes one HMAC,
 * sends and answers as many headers as the edge does, and reads the reply. What lies between it and the edge is the
 * edge's own code; what lies between it and `/forward` no gateway of this kind can save.
 */
const SIGNING = { name: "HMAC", hash: "SHA-256" };
let key;

export default {
  async fetch(request, env) {
    if (request.url.endsWith("/forward")) {
      return fetch(env.TARGET, { method: "POST", headers: request.headers, body: request.body });
    }
    const body = await request.arrayBuffer();
    key ??= await crypto.subtle.importKey("raw", new Uint8Array(32), SIGNING, false, ["sign"]);
    const signature = new Uint8Array(await crypto.subtle.sign("HMAC", key, body));
    const id = crypto.randomUUID();
    const traceparent = `00-${id.replaceAll("-", "")}-${id.replaceAll("-", "").slice(16)}-00`;
    const reply = await fetch(env.TARGET, {
      method: "POST",
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(10_000),
      headers: {
        authorization: `Warmgate request=${id},signature=${btoa(String.fromCharCode(...signature))}`,
        traceparent,
        "accept-encoding": "identity",
        "content-type": request.headers.get("content-type"),
      },
    });
    return new Response(await reply.arrayBuffer(), {
      headers: {
        "content-type": "application/json",
        "x-request-id": id,
        traceparent,
        "server-timing": reply.headers.get("server-timing"),
        "cache-control": "no-store, no-transform",
        "x-content-type-options": "nosniff",
      },
    });
  },
};
