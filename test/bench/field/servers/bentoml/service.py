"""BentoML: one service, one worker, a batchable API (adaptive batching)."""

import os
from typing import Any

import bentoml
import numpy as np
import onnxruntime as ort

DEADLINE_MS = int(os.environ["FIELD_DEADLINE_MS"])


@bentoml.service(workers=1, metrics={"enabled": False}, traffic={"timeout": 60})
class Perceptron:
    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["FIELD_MODEL"], options, providers=["CPUExecutionProvider"])

    # A batchable API takes and gives lists along the batch dimension, so the answer is the list of outputs itself. The
    # latency goal is also the limit of waiting: what the batcher expects to exceed it is answered 503.
    @bentoml.api(
        route="/v2/models/bench/infer",
        batchable=True,
        max_batch_size=int(os.environ["FIELD_MAX_BATCH"]),
        max_latency_ms=DEADLINE_MS if DEADLINE_MS > 0 else 60_000,
    )
    def infer(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows = np.array([tensor["data"] for tensor in inputs], dtype=np.float32)
        results = self.session.run(["output"], {"input": rows})[0]
        shape = [1, results.shape[1]]
        return [{"name": "output", "datatype": "FP32", "shape": shape, "data": row} for row in results.tolist()]
