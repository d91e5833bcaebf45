/**
 * Stores routes in the control plane, and looks routes up one after another as the gate does. Plain JavaScript, as the other Workers that
 * only measure.
 */
export * from "../../edge/index.ts";

const ACTOR = { id: "bench", tenant: "bench", requestId: "bench" };

export default {
  async fetch(request, env) {
    const { object, put, find } = await request.json();
    const controlPlane = env.CONTROL_PLANE.getByName(object);
    for (const route of put) {
      const { refused, problems } = await controlPlane.putRoute(ACTOR, route, 0);
      if (refused) throw new Error(problems.join("; "));
    }
    let found = 0;
    for (const name of find) if ((await controlPlane.resolveRoute(name)) !== null) found++;
    return Response.json({ found });
  },
};
