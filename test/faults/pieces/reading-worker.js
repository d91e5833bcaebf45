/** Reads what it is sent and refuses it: what a flood costs the runtime itself. */
export default {
  async fetch(request) {
    await request.text().catch(() => "");
    return Response.json({ error: "no", code: "no", request_id: "none" }, { status: 400 });
  },
};
