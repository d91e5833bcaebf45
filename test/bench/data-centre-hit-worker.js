/**
 * The edge as it is, but that no isolate remembers an answer: each is looked up in the data centre's cache. Plain JavaScript, as the
 * other Workers that only measure.
 */

import { PredictionCache } from "../../edge/gate/cache.ts";
import edge from "../../edge/index.ts";
import { predictions } from "../../edge/routes/prediction.ts";

export * from "../../edge/index.ts";

predictions.find = (...asked) => new PredictionCache().find(...asked);

export default edge;
