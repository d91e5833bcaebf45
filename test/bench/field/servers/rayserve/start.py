"""Ray Serve: one replica that batches with `serve.batch`, behind the HAProxy that comes with it."""

import os
import signal

work = os.environ["FIELD_WORK"]
_, stats_port, metrics_port = os.environ["FIELD_SPARE_PORTS"].split(",")
# Read when ray is imported. The first two are what its page on performance asks for.
os.environ.update(
    RAY_SERVE_THROUGHPUT_OPTIMIZED="1",
    RAY_SERVE_ENABLE_HA_PROXY="1",
    RAY_SERVE_HAPROXY_NBTHREAD="1",
    RAY_SERVE_HAPROXY_CONFIG_FILE_LOC=f"{work}/proxy/haproxy.cfg",
    RAY_SERVE_HAPROXY_SOCKET_PATH=f"{work}/proxy/admin.sock",
    RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH=f"{work}/proxy/metrics.sock",
    RAY_SERVE_HAPROXY_SERVER_STATE_BASE=f"{work}/proxy",
    RAY_SERVE_HAPROXY_SERVER_STATE_FILE=f"{work}/proxy/server-state",
    RAY_SERVE_HAPROXY_STATS_PORT=stats_port,
    RAY_SERVE_HAPROXY_METRICS_PORT=metrics_port,
    RAY_SERVE_HAPROXY_METRICS_ENABLED="0",
    RAY_USAGE_STATS_ENABLED="0",
)

import numpy as np
import onnxruntime as ort
import orjson
import ray
from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.schema import LoggingConfig
from starlette.requests import Request
from starlette.responses import Response

MAX_BATCH = int(os.environ["FIELD_MAX_BATCH"])
DEADLINE_MS = float(os.environ["FIELD_DEADLINE_MS"])
CAPACITY = float(os.environ["FIELD_CAPACITY"])

# Ray Serve bounds numbers, not times: what is served within the deadline, by the capacity measured before.
BOUND = max(2 * MAX_BATCH, int(0.8 * CAPACITY * DEADLINE_MS / 1000)) if DEADLINE_MS > 0 else 1024


@serve.deployment(
    num_replicas=1,
    max_ongoing_requests=BOUND,
    max_queued_requests=MAX_BATCH if DEADLINE_MS > 0 else -1,
    ray_actor_options={"num_cpus": 1},
)
class Perceptron:
    def __init__(self, model: str):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=0.01)
    async def infer(self, rows):
        return list(self.session.run(["output"], {"input": np.array(rows, dtype=np.float32)})[0])

    async def __call__(self, request: Request):
        body = orjson.loads(await request.body())
        row = await self.infer(body["inputs"][0]["data"])
        output = {"name": "output", "datatype": "FP32", "shape": [1, row.size], "data": row}
        content = orjson.dumps({"model_name": "bench", "outputs": [output]}, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(content, media_type="application/json")


if __name__ == "__main__":
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        _temp_dir=work,
        object_store_memory=128 * 1024 * 1024,
    )
    serve.start(
        http_options=HTTPOptions(host="127.0.0.1", port=int(os.environ["FIELD_PORT"])),
        logging_config=LoggingConfig(enable_access_log=False, log_level="WARNING"),
    )
    serve.run(Perceptron.bind(os.environ["FIELD_MODEL"]), route_prefix="/v2/models/bench/infer")
    signal.pause()
