/**
 * Hedged requests (J. Dean, L. A. Barroso, "The Tail at Scale", 2013), for the one case in which a second try is worth its cost: nothing
 * at all is heard of who was asked first.
 */

/** Something under way, which can be given up. */
export interface Try<Answer> {
  readonly answer: Promise<Answer>;
  /** Its answer is not wanted any more; it then ends soon, in whichever way. */
  readonly giveUp: () => void;
}

/**
 * The first answer of one try, or of two. Every `everyMs` for which there is none, `another` is asked whether there should be a second.
 *
 * Promises: never more than two; the one that is too late is given up; a failure is one only when the other has failed as well.
 *
 * @throws what the first has failed with
 */
export async function firstOfTwo<Answer>(
  first: Try<Answer>,
  everyMs: number,
  another: () => Try<Answer> | undefined,
): Promise<Answer> {
  const { promise: secondAnswer, resolve: succeed } = Promise.withResolvers<Answer>();
  let second: Try<Answer> | undefined;
  const timer = setInterval(() => {
    second = another();
    if (!second) return;
    clearInterval(timer);
    second.answer.then(succeed, () => undefined);
  }, everyMs);
  try {
    return await Promise.race([first.answer, secondAnswer]);
  } catch (error) {
    if (!second) throw error;
    return await second.answer.catch(() => {
      throw error;
    });
  } finally {
    clearInterval(timer);
    first.giveUp();
    second?.giveUp();
  }
}
