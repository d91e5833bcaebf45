"""Writes MLServer's two settings files and hands over to `mlserver start`."""

import json
import os
import sys

work = os.environ["FIELD_WORK"]
grpc_port, metrics_port = os.environ["FIELD_SPARE_PORTS"].split(",")[:2]
settings = {
    "host": "127.0.0.1",
    "http_port": int(os.environ["FIELD_PORT"]),
    "grpc_port": int(grpc_port),
    "metrics_port": int(metrics_port),
    "parallel_workers": 1,
    "debug": False,
    "gzip_enabled": False,
}
model = {
    "name": "bench",
    "implementation": "runtime.Perceptron",
    "max_batch_size": int(os.environ["FIELD_MAX_BATCH"]),
    "max_batch_time": 0.002,
}
os.makedirs(os.path.join(work, "bench"), exist_ok=True)
with open(os.path.join(work, "settings.json"), "w") as file:
    json.dump(settings, file)
with open(os.path.join(work, "bench", "model-settings.json"), "w") as file:
    json.dump(model, file)
os.environ["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))
os.chdir(work)
os.execv(sys.executable, [sys.executable, "-c", "from mlserver.cli import main; main()", "start", work])
