"""Artefacts that must be refused at load, without harm to the process that serves."""

import random

import numpy as np
from onnx import TensorProto, helper

from .basic import simple
from .onnx_file import build, constant, value, write

SHAPE = ["batch", 4]
LEAK_BYTES = 64


def _one_node(name, op, domain="", opset=17, domains=()):
    node = helper.make_node(op, ["INPUT0"], ["OUTPUT0"], domain=domain)
    return build(
        name, [node], [value("INPUT0", "fp32", SHAPE)], [value("OUTPUT0", "fp32", SHAPE)], opset=opset, domains=domains
    )


def _reads_file(name, location):
    """Asks the runtime to hand out LEAK_BYTES of the file at `location` as its output."""
    count = LEAK_BYTES
    weights = constant("weights", np.zeros(count, np.uint8))
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, text in (("location", location), ("offset", "0"), ("length", str(count))):
        entry = weights.external_data.add()
        entry.key = key
        entry.value = text
    nodes = [helper.make_node("Add", ["INPUT0", "weights"], ["OUTPUT0"])]
    return build(
        name,
        nodes,
        [value("INPUT0", "uint8", ["batch", count])],
        [value("OUTPUT0", "uint8", ["batch", count])],
        [weights],
    )


def _loops_forever():
    """A graph whose node reads its own output."""
    nodes = [helper.make_node("Add", ["INPUT0", "OUTPUT0"], ["OUTPUT0"])]
    return build("cycle", nodes, [value("INPUT0", "fp32", SHAPE)], [value("OUTPUT0", "fp32", SHAPE)])


def _claims_huge_constant():
    """A few bytes that announce a tensor of 2^50 elements."""
    node = helper.make_node("ConstantOfShape", ["shape"], ["OUTPUT0"])
    shape = constant("shape", np.array([1 << 25, 1 << 25], np.int64))
    return build("huge_constant", [node], [value("INPUT0", "fp32", SHAPE)], [value("OUTPUT0", "fp32", [None, None])], [shape])


def _lies_about_weights():
    """A weight that declares 4 x 4 floats and carries 3 bytes."""
    weights = constant("weights", np.zeros((4, 4), np.float32))
    weights.raw_data = b"\x00\x00\x00"
    nodes = [helper.make_node("MatMul", ["INPUT0", "weights"], ["OUTPUT0"])]
    return build(
        "short_weights", nodes, [value("INPUT0", "fp32", SHAPE)], [value("OUTPUT0", "fp32", SHAPE)], [weights]
    )


def generate(repository):
    whole = simple().SerializeToString(deterministic=True)
    broken = {
        "empty": b"",
        "random_bytes": random.Random(7).randbytes(4096),
        "truncated": whole[: len(whole) // 2],
        "not_a_model": b'{"this is": "JSON"}\n',
        "unknown_operator": _one_node("unknown_operator", "NoSuchOperator"),
        "unknown_domain": _one_node("unknown_domain", "Relu", domain="example.unknown", domains=["example.unknown"]),
        "future_opset": _one_node("future_opset", "Relu", opset=999),
        "external_escape": _reads_file("external_escape", "../../../../../../../../../../etc/passwd"),
        "external_absolute": _reads_file("external_absolute", "/etc/passwd"),
        "external_missing": _reads_file("external_missing", "missing.bin"),
        "cycle": _loops_forever(),
        "huge_constant": _claims_huge_constant(),
        "short_weights": _lies_about_weights(),
    }
    for name, model in broken.items():
        write(repository, name, model, check=False)
