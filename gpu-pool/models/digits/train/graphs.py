"""The two networks as ONNX graphs: `pixels` FP32 [batch, 64] in, `label` INT64 [batch] and `probabilities` FP32 [batch, 10] out."""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
# The data set's grey values run from 0 to 16; scaling travels inside the graph, so callers send the values as they are.
WHITE = 16


def _model(name, nodes, constants):
    """Adds what both networks share: scaling in front, softmax and the likeliest class behind."""
    nodes = [
        helper.make_node("Mul", ["pixels", "scale"], ["scaled"]),
        *nodes,
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
    ]
    constants = {"scale": np.float32(1 / WHITE), **constants}
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 64])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10]),
        ],
        initializer=[numpy_helper.from_array(np.asarray(array), key) for key, array in constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="warmgate"
    )
    checker.check_model(model, full_check=True)
    return model


def linear(weights, bias):
    """`weights` (64, 10) and `bias` (10) of a multinomial logistic regression over scaled pixels."""
    nodes = [helper.make_node("Gemm", ["scaled", "weights", "bias"], ["scores"])]
    return _model("digits_linear", nodes, {"weights": weights.astype(np.float32), "bias": bias.astype(np.float32)})


def convolutional(weights):
    """The network of convnet.py, with kernels turned from (in, row, column, out) to ONNX's (out, in, row, column)."""
    nodes = [
        helper.make_node("Reshape", ["scaled", "image_shape"], ["image"]),
        helper.make_node("Conv", ["image", "conv1", "conv1_bias"], ["maps1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps1"], ["active1"]),
        helper.make_node("Conv", ["active1", "conv2", "conv2_bias"], ["maps2"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps2"], ["active2"]),
        helper.make_node("MaxPool", ["active2"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "dense1", "dense1_bias"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active3"]),
        helper.make_node("Gemm", ["active3", "dense2", "dense2_bias"], ["scores"]),
    ]
    constants = {"image_shape": np.array([-1, 1, 8, 8], np.int64)}
    for name, array in weights.items():
        constants[name] = np.ascontiguousarray(array.transpose(3, 0, 1, 2)) if array.ndim == 4 else array
    return _model("digits_convolutional", nodes, constants)
