"""Starts the Triton that comes inside the nvidia-pytriton wheel, with its Python backend."""

import os
import shutil
import sys
from pathlib import Path

import onnxruntime as ort
import pytriton

here = Path(__file__).resolve().parent
triton = Path(pytriton.__file__).parent / "tritonserver"
work = Path(os.environ["FIELD_WORK"])
session = ort.InferenceSession(os.environ["FIELD_MODEL"], providers=["CPUExecutionProvider"])
[width] = session.get_inputs()[0].shape[1:]
[classes] = session.get_outputs()[0].shape[1:]

deadline_us = int(0.8 * float(os.environ["FIELD_DEADLINE_MS"]) * 1000)
queue_policy = ""
if deadline_us > 0:
    queue_policy = f"default_queue_policy {{ timeout_action: REJECT default_timeout_microseconds: {deadline_us} }}"
config = f"""
name: "bench"
backend: "python"
max_batch_size: {os.environ["FIELD_MAX_BATCH"]}
input [ {{ name: "input" data_type: TYPE_FP32 dims: [ {width} ] }} ]
output [ {{ name: "output" data_type: TYPE_FP32 dims: [ {classes} ] }} ]
instance_group [ {{ count: 1 kind: KIND_CPU }} ]
dynamic_batching {{ {queue_policy} }}
"""
version = work / "models" / "bench" / "1"
version.mkdir(parents=True)
shutil.copy(here / "model.py", version / "model.py")
(version.parent / "config.pbtxt").write_text(config)

# The backend looks for its stub beside itself; the wheel keeps one stub for each version of Python.
backends = work / "backends"
shutil.copytree(triton / "backends", backends)
stub = f"{sys.version_info.major}.{sys.version_info.minor}"
shutil.copy(triton / "python_backend_stubs" / stub / "triton_python_backend_stub", backends / "python")

site = Path(pytriton.__file__).parents[1]
# The embedded interpreter takes its packages from the python3 that it finds first.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["LD_LIBRARY_PATH"] = os.pathsep.join([str(site / "nvidia_pytriton.libs"), f"{sys.base_prefix}/lib"])
os.execv(
    triton / "bin" / "tritonserver",
    [
        "tritonserver",
        f"--model-repository={version.parents[1]}",
        f"--backend-directory={backends}",
        "--http-address=127.0.0.1",
        f"--http-port={os.environ['FIELD_PORT']}",
        "--http-thread-count=2",
        "--allow-grpc=false",
        "--allow-metrics=false",
        "--log-info=false",
    ],
)
