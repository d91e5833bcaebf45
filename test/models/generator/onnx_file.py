"""Builds small ONNX graphs by hand and writes them in the pool's repository layout, `<model>/<version>/model.onnx`."""

import json
from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8

VALUE_TYPES = {
    "bool": TensorProto.BOOL,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "fp16": TensorProto.FLOAT16,
    "bf16": TensorProto.BFLOAT16,
    "fp32": TensorProto.FLOAT,
    "fp64": TensorProto.DOUBLE,
    "string": TensorProto.STRING,
}


def value(name, kind, shape):
    """A graph input or output. A dimension is a number, a symbol, or None (anonymous); shape None is an unknown rank."""
    return helper.make_tensor_value_info(name, VALUE_TYPES[kind], shape)


def constant(name, array):
    return numpy_helper.from_array(array, name)


def build(name, nodes, inputs, outputs, constants=(), opset=OPSET, domains=()):
    """A model with a fixed opset and IR version, so that the bytes do not depend on the onnx release that wrote them."""
    graph = helper.make_graph(list(nodes), name, list(inputs), list(outputs), initializer=list(constants))
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="warmgate-tests")


def write(repository: Path, name, model, config=None, version=1, check=True):
    """Writes one version; `model` is a ModelProto, or raw bytes for a file that is broken on purpose."""
    folder = repository / name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(model, bytes):
        (folder / "model.onnx").write_bytes(model)
    else:
        if check:
            onnx.checker.check_model(model)
        (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    if config is not None:
        (repository / name / "model.json").write_text(json.dumps(config, indent=2) + "\n")
    return folder
