/** Answers a constant to any POST, of the size of a prediction: what the platform alone takes. */
const ANSWER = new TextEncoder().encode(`{"outputs":[${"0.125,".repeat(62)}0.125]}`);
const HEADERS = { "content-type": "application/json" };

export default {
  fetch: () => new Response(ANSWER, { headers: HEADERS }),
};
