"""Asks Python's onnxruntime for the answer to one or two requests a model, as a yardstick for the pool's own answers."""

import json

import numpy as np
import onnxruntime

SEED = 11

# ONNX Runtime's name of a tensor type: the protocol's datatype and numpy's.
DATATYPES = {
    "tensor(bool)": ("BOOL", np.bool_),
    "tensor(uint8)": ("UINT8", np.uint8),
    "tensor(uint16)": ("UINT16", np.uint16),
    "tensor(uint32)": ("UINT32", np.uint32),
    "tensor(uint64)": ("UINT64", np.uint64),
    "tensor(int8)": ("INT8", np.int8),
    "tensor(int16)": ("INT16", np.int16),
    "tensor(int32)": ("INT32", np.int32),
    "tensor(int64)": ("INT64", np.int64),
    "tensor(float16)": ("FP16", np.float16),
    "tensor(float)": ("FP32", np.float32),
    "tensor(double)": ("FP64", np.float64),
    "tensor(string)": ("BYTES", object),
}
# JSON has no form for half precision, and readers round whole numbers beyond 2^53.
JSON_SAFE = 2**53

FLOWERS = [[5.1, 3.5, 1.4, 0.2], [6.0, 2.9, 4.5, 1.5], [6.3, 3.3, 6.0, 2.5]]


def _noise(*shape):
    return np.random.RandomState(SEED).uniform(-1, 1, shape).astype(np.float32)


def _identity_values(kind, datatype):
    if kind == "string":
        return np.array([["plain", "", "schön 漢字 🙂"], ["1", " ", 'quote " \\ slash']], object)
    if kind == "bool":
        return np.array([[True, False, True], [False, False, True]])
    if kind.startswith("fp"):
        limits = np.finfo(datatype)
        return np.array([[0, -1.5, limits.max], [limits.tiny, 0.1, limits.min]], datatype)
    limits = np.iinfo(datatype)
    return np.array([[0, 1, limits.max], [limits.min, 7, 100]], datatype)


def _requests():
    """Yields (repository, model, inputs)."""
    count = np.arange(16, dtype=np.int32)
    yield "basic", "simple", {"INPUT0": [count], "INPUT1": [np.ones(16, np.int32)]}
    yield "basic", "simple", {"INPUT0": [count, -count, count * 7], "INPUT1": [count, count * 1000, count - 8]}
    digits = [str(number) for number in count]
    yield "basic", "simple_string", {"INPUT0": [digits, ["-5"] * 16], "INPUT1": [["1"] * 16, digits]}
    yield "basic", "simple_identity", {"INPUT0": [[f"text {number}" for number in count]]}
    for _, (_, datatype) in DATATYPES.items():
        kind = "string" if datatype is object else np.dtype(datatype).name
        kind = {"float16": "fp16", "float32": "fp32", "float64": "fp64"}.get(kind, kind)
        yield "basic", f"identity_{kind}", {"INPUT0": _identity_values(kind, datatype)}
    for model in ("iris_zipmap", "iris_plain", "iris_forest_names"):
        yield "exporters", model, {"X": FLOWERS[:1]}
        yield "exporters", model, {"X": FLOWERS}
    yield "exporters", "iris_lightgbm", {"features": FLOWERS[:1]}
    yield "exporters", "iris_lightgbm", {"features": FLOWERS}
    yield "exporters", "colour_pipeline", {"colour": [["red"], ["green"]], "size": [[1.25], [8.5]]}
    yield "exporters", "text_pipeline", {"text": [["The BOX was torn"], ["works well, on time"], ["unseen words only"]]}
    yield "exporters", "diabetes_ridge", {"X": _noise(3, 10) / 10}
    yield "exporters", "diabetes_ridge_fixed", {"X": _noise(1, 10) / 10}
    yield "exporters", "mlp_fp16", {"features": _noise(2, 4)}
    yield "exporters", "embedding_mean", {"token_ids": [[3]]}
    yield "exporters", "embedding_mean", {"token_ids": [[3, 1, 4, 1, 5], [31, 0, 2, 2, 2]]}
    yield "exporters", "conv_fixed_batch", {"image": _noise(1, 3, 16, 16)}
    yield "exporters", "softmax_axis0", {"scores": _noise(1, 4)}
    yield "exporters", "softmax_axis0", {"scores": _noise(3, 4)}
    yield "exporters", "centre_axis0", {"x": _noise(1, 4)}
    yield "exporters", "centre_axis0", {"x": _noise(3, 4)}
    yield "exporters", "total", {"x": _noise(2, 4)}
    yield "exporters", "scale", {"x": _noise(2, 4), "factor": np.float32(2.5)}
    yield "exporters", "roots", {"x": [[4, 2.25, 1, 0.25]]}
    yield "exporters", "roots", {"x": [[4, 0, -1, 1]]}
    yield "exporters", "unknown_rank", {"x": _noise(2, 2, 2)}
    yield "exporters", "anonymous_dims", {"x": _noise(2, 4)}
    yield "exporters", "positive_positions", {"x": [[1, -1, 0, 2], [-3, 5, -1, -1]]}
    yield "exporters", "default_input", {"x": _noise(2, 4)}
    yield "exporters", "spelled_out", {"serving_default_x:0": _noise(2, 4)}
    yield "exporters", "external_data", {"x": _noise(2, 16)}
    for model in ("torch_mlp", "torch_mlp_script"):
        yield "exporters", model, {"x": _noise(3, 4)}
    for model in ("torch_conv", "torch_conv_script"):
        yield "exporters", model, {"x": _noise(2, 1, 8, 8)}


def _data(array):
    """Row-major values; a float is a decimal that reads back as the same value, a non-finite one its name."""
    if array.dtype.kind != "f":
        return [item.item() if isinstance(item, np.generic) else item for item in array.ravel().tolist()]
    names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    # The shortest such decimal of a half is too far from its value to compare with: 65500 for 65504.
    exact = array.astype(np.float32) if array.dtype == np.float16 else array
    return [names.get(str(item)) or float(str(item)) for item in exact.ravel()]


def _hex(array):
    """The protocol's binary form: little-endian, and for text a 4-byte length before each element."""
    if array.dtype != object:
        return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes().hex()
    texts = [text.encode() for text in array.ravel()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts).hex()


def _tensor(name, datatype, array):
    return {"name": name, "shape": list(array.shape), "datatype": datatype}


def _json_can_hold(array):
    if array.dtype == np.float16:
        return False
    if array.dtype.kind == "f":
        return bool(np.isfinite(array).all())
    return array.dtype.kind not in "iu" or all(abs(int(item)) <= JSON_SAFE for item in array.ravel())


def _case(root, repository, model, inputs):
    session = onnxruntime.InferenceSession(
        root / repository / model / "1" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    taken = [(spec.name, *DATATYPES[spec.type]) for spec in session.get_inputs()]
    given = [(name, datatype, np.asarray(inputs[name], dtype)) for name, datatype, dtype in taken]
    wanted = [spec for spec in session.get_outputs() if spec.type in DATATYPES]
    answers = session.run([spec.name for spec in wanted], {name: array for name, _, array in given})
    answered = [
        (spec.name, DATATYPES[spec.type][0], np.asarray(array)) for spec, array in zip(wanted, answers, strict=True)
    ]

    case = {"repository": repository, "model": model, "request": None}
    if all(_json_can_hold(array) for _, _, array in given):
        tensors = [{**_tensor(name, kind, array), "data": _data(array)} for name, kind, array in given]
        case["request"] = {"inputs": tensors}
    if case["request"] is None or not all(_json_can_hold(array) for _, _, array in answered):
        case["binary"] = {
            "inputs": [{**_tensor(name, kind, array), "hex": _hex(array)} for name, kind, array in given],
            "outputs": [{"name": name, "hex": _hex(array)} for name, _, array in answered],
        }
    case["outputs"] = [{**_tensor(name, kind, array), "data": _data(array)} for name, kind, array in answered]
    return case


def generate(root):
    # Warnings about declared shapes are what some of these models are for.
    onnxruntime.set_default_logger_severity(3)
    made = [_case(root, *request) for request in _requests()]
    (root / "cases.json").write_text(json.dumps(made, ensure_ascii=False, separators=(",", ":")) + "\n")
