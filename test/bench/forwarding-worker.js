/** A Worker that does nothing: it forwards the body with `fetch`. What the edge's own work is measured against. */
export default {
  fetch(request, env) {
    return fetch(env.TARGET, { method: "POST", headers: request.headers, body: request.body });
  },
};
