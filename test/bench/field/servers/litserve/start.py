"""LitServe: one API server and one inference worker, batching as its documentation describes."""

import os

import litserve as ls
import numpy as np
import onnxruntime as ort
import orjson
from fastapi import Response

DEADLINE_MS = float(os.environ["FIELD_DEADLINE_MS"])


class Perceptron(ls.LitAPI):
    def setup(self, device):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["FIELD_MODEL"], options, providers=["CPUExecutionProvider"])

    def decode_request(self, request):
        return np.asarray(request["inputs"][0]["data"], dtype=np.float32)

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, rows):
        return self.session.run(["output"], {"input": rows})[0]

    def unbatch(self, rows):
        return list(rows)

    def encode_response(self, row):
        # A ready response: FastAPI would otherwise walk the list in Python to make it fit for JSON.
        output = {"name": "output", "datatype": "FP32", "shape": [1, row.size], "data": row}
        body = orjson.dumps({"model_name": "bench", "outputs": [output]}, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, media_type="application/json")


if __name__ == "__main__":
    api = Perceptron(
        api_path="/v2/models/bench/infer",
        max_batch_size=int(os.environ["FIELD_MAX_BATCH"]),
        batch_timeout=0.01,
    )
    server = ls.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=1,
        fast_queue=True,
        # How long a request may wait in the queue before it is answered 504.
        timeout=0.8 * DEADLINE_MS / 1000 if DEADLINE_MS > 0 else 30,
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["FIELD_PORT"]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
    )
