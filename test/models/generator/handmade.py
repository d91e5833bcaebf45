"""Graphs that exporters do produce, each with one trait that a server can get wrong; written by hand to stay small."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from .onnx_file import build, constant, value, write

SEED = 20


def _weights(*shape, kind=np.float32):
    """Reproducible weights: numpy promises that this generator's stream never changes."""
    return np.random.RandomState(SEED).uniform(-0.5, 0.5, shape).astype(kind)


def mlp_fp16():
    """Half-precision weights, input and output."""
    constants = [
        constant("w1", _weights(4, 8, kind=np.float16)),
        constant("b1", _weights(8, kind=np.float16)),
        constant("w2", _weights(8, 3, kind=np.float16)),
        constant("b2", _weights(3, kind=np.float16)),
    ]
    nodes = [
        helper.make_node("Gemm", ["features", "w1", "b1"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Gemm", ["active", "w2", "b2"], ["scores"]),
    ]
    inputs = [value("features", "fp16", ["batch", 4])]
    return build("mlp_fp16", nodes, inputs, [value("scores", "fp16", ["batch", 3])], constants)


def embedding_mean():
    """Token ids, two dynamic dimensions: looks vectors up and averages them over the sequence."""
    nodes = [
        helper.make_node("Gather", ["table", "token_ids"], ["vectors"], axis=0),
        helper.make_node("ReduceMean", ["vectors"], ["embedding"], axes=[1], keepdims=0),
    ]
    inputs = [value("token_ids", "int64", ["batch", "sequence"])]
    outputs = [value("embedding", "fp32", ["batch", 8])]
    return build("embedding_mean", nodes, inputs, outputs, [constant("table", _weights(32, 8))])


def conv_fixed_batch():
    """An image model whose batch is fixed at one."""
    constants = [constant("kernel", _weights(4, 3, 3, 3)), constant("bias", _weights(4))]
    nodes = [
        helper.make_node("Conv", ["image", "kernel", "bias"], ["map"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["map"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
    ]
    inputs = [value("image", "fp32", [1, 3, 16, 16])]
    return build("conv_fixed_batch", nodes, inputs, [value("features", "fp32", [1, 4])], constants)


def softmax_axis0():
    """The first dimension is dynamic and is no batch: rows influence each other."""
    nodes = [helper.make_node("Softmax", ["scores"], ["weights"], axis=0)]
    return build(
        "softmax_axis0", nodes, [value("scores", "fp32", ["n", 4])], [value("weights", "fp32", ["n", 4])]
    )


def centre_axis0():
    """As softmax_axis0, and the dimension is even named `batch`: a name proves nothing."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["centred"]),
    ]
    shape = ["batch", 4]
    return build("centre_axis0", nodes, [value("x", "fp32", shape)], [value("centred", "fp32", shape)])


def total():
    """Output of rank 0."""
    nodes = [helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0)]
    return build("total", nodes, [value("x", "fp32", ["batch", 4])], [value("total", "fp32", [])])


def scale():
    """One input of rank 0."""
    nodes = [helper.make_node("Mul", ["x", "factor"], ["scaled"])]
    inputs = [value("x", "fp32", ["batch", 4]), value("factor", "fp32", [])]
    return build("scale", nodes, inputs, [value("scaled", "fp32", ["batch", 4])])


def roots():
    """NaN for negative numbers, -Infinity for log(0)."""
    nodes = [helper.make_node("Sqrt", ["x"], ["root"]), helper.make_node("Log", ["x"], ["log"])]
    outputs = [value("root", "fp32", ["batch", 4]), value("log", "fp32", ["batch", 4])]
    return build("roots", nodes, [value("x", "fp32", ["batch", 4])], outputs)


def unknown_rank():
    """Input and output without any shape."""
    nodes = [helper.make_node("Neg", ["x"], ["negated"])]
    return build("unknown_rank", nodes, [value("x", "fp32", None)], [value("negated", "fp32", None)])


def anonymous_dims():
    """Dynamic dimensions that carry no name."""
    nodes = [helper.make_node("Neg", ["x"], ["negated"])]
    return build("anonymous_dims", nodes, [value("x", "fp32", [None, 4])], [value("negated", "fp32", [None, 4])])


def positive_positions():
    """The length of the output depends on the data, not on the batch."""
    nodes = [
        helper.make_node("Greater", ["x", "zero"], ["positive"]),
        helper.make_node("NonZero", ["positive"], ["positions"]),
    ]
    outputs = [value("positions", "int64", [2, "found"])]
    constants = [constant("zero", np.float32(0).reshape(()))]
    return build("positive_positions", nodes, [value("x", "fp32", ["batch", 4])], outputs, constants)


def split_sequence():
    """Output that is a sequence of tensors."""
    nodes = [helper.make_node("SplitToSequence", ["x"], ["rows"], axis=0)]
    output = helper.make_tensor_sequence_value_info("rows", TensorProto.FLOAT, [1, 4])
    return build("split_sequence", nodes, [value("x", "fp32", ["batch", 4])], [output])


def default_input():
    """An input that has a default: callers may leave `factor` out."""
    nodes = [helper.make_node("Mul", ["x", "factor"], ["scaled"])]
    inputs = [value("x", "fp32", ["batch", 4]), value("factor", "fp32", [1])]
    constants = [constant("factor", np.array([2], np.float32))]
    return build("default_input", nodes, inputs, [value("scaled", "fp32", ["batch", 4])], constants)


def spelled_out():
    """Names that exporters write: slashes, colons, dots."""
    nodes = [helper.make_node("Relu", ["serving_default_x:0"], ["/model/head/Relu.output_0"])]
    shape = ["unk__7", 4]
    return build(
        "spelled_out",
        nodes,
        [value("serving_default_x:0", "fp32", shape)],
        [value("/model/head/Relu.output_0", "fp32", shape)],
    )


def external_data():
    """Weights in a file of their own, beside the model."""
    nodes = [helper.make_node("MatMul", ["x", "weights"], ["y"])]
    inputs = [value("x", "fp32", ["batch", 16])]
    return build("external_data", nodes, inputs, [value("y", "fp32", ["batch", 16])], [constant("weights", _weights(16, 16))])


PLAIN = (
    mlp_fp16,
    embedding_mean,
    conv_fixed_batch,
    softmax_axis0,
    centre_axis0,
    total,
    scale,
    roots,
    unknown_rank,
    anonymous_dims,
    positive_positions,
    split_sequence,
    default_input,
    spelled_out,
)


def generate(repository):
    for make in PLAIN:
        model = make()
        # The checker of onnx refuses a missing shape; onnxruntime takes it, and some exporters write it.
        write(repository, model.graph.name, model, check=make is not unknown_rank)
    folder = repository / "external_data" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.bin").unlink(missing_ok=True)
    onnx.save(
        external_data(),
        folder / "model.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
