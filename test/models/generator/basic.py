"""Models with the names and tensors that Triton's public clients and tests expect, and an identity per datatype."""

from onnx import TensorProto, helper

from .onnx_file import VALUE_TYPES, build, value, write


def _pair(kind, names):
    return [value(name, kind, ["batch", 16]) for name in names]


def simple():
    """OUTPUT0 = INPUT0 + INPUT1, OUTPUT1 = INPUT0 - INPUT1."""
    nodes = [
        helper.make_node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"]),
        helper.make_node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"]),
    ]
    return build("simple", nodes, _pair("int32", ["INPUT0", "INPUT1"]), _pair("int32", ["OUTPUT0", "OUTPUT1"]))


def simple_string():
    """The same on integers written as text."""
    nodes = [
        helper.make_node("Cast", ["INPUT0"], ["left"], to=TensorProto.INT32),
        helper.make_node("Cast", ["INPUT1"], ["right"], to=TensorProto.INT32),
        helper.make_node("Add", ["left", "right"], ["sum"]),
        helper.make_node("Sub", ["left", "right"], ["difference"]),
        helper.make_node("Cast", ["sum"], ["OUTPUT0"], to=TensorProto.STRING),
        helper.make_node("Cast", ["difference"], ["OUTPUT1"], to=TensorProto.STRING),
    ]
    return build("simple_string", nodes, _pair("string", ["INPUT0", "INPUT1"]), _pair("string", ["OUTPUT0", "OUTPUT1"]))


def simple_identity():
    nodes = [helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"])]
    return build("simple_identity", nodes, _pair("string", ["INPUT0"]), _pair("string", ["OUTPUT0"]))


def identity(kind):
    nodes = [helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"])]
    shape = ["batch", "width"]
    return build(f"identity_{kind}", nodes, [value("INPUT0", kind, shape)], [value("OUTPUT0", kind, shape)])


def generate(repository):
    for model in (simple(), simple_string(), simple_identity()):
        write(repository, model.graph.name, model, {"deterministic": True, "maxBatch": 8})
    for kind in VALUE_TYPES:
        write(repository, f"identity_{kind}", identity(kind), {"deterministic": True, "maxBatch": 8})
