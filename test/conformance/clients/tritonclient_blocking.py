"""Checks with the blocking client of tritonclient[http], unmodified."""

import sys

import numpy as np
import tritonclient.http as http
from checks import UNKNOWN_MODEL, Skip, arguments, expect, expect_equal, run
from tritonclient.utils import InferenceServerException
from tritonclient_requests import Requests, bearer_plugin, check_answer, check_refusal, check_strings, skip_without_model

flags = arguments()
client = http.InferenceServerClient(
    flags.authority, ssl=flags.secure, concurrency=8, connection_timeout=20.0, network_timeout=60.0
)
if flags.token:
    client.register_plugin(bearer_plugin(http.InferenceServerClientPlugin, flags.token))
requests = Requests(http, flags)
BOTH_BINARY = (("OUTPUT0", True), ("OUTPUT1", True))
QUERY = {"test_1": 1, "test_2": [2, 3]}


def refused(call):
    """The exception that the call must end with."""
    try:
        call()
    except InferenceServerException as error:
        return error
    raise AssertionError("the request was accepted")


def needs(extension):
    if extension not in client.get_server_metadata()["extensions"]:
        raise Skip(f"GET /v2 does not advertise {extension}")


def infer(inputs, outputs=None, model=flags.model, **rest):
    return client.infer(model, inputs, outputs=outputs, **rest)


def health():
    expect(client.is_server_live(query_params=QUERY), "not live")
    expect(client.is_server_ready(), "not ready")
    expect(client.is_model_ready(flags.model), f"{flags.model} is not ready")
    expect(not client.is_model_ready(UNKNOWN_MODEL), "an unknown model is ready")


def server_metadata():
    metadata = client.get_server_metadata()
    expect({"name", "version", "extensions"} <= metadata.keys(), f"members are {list(metadata)}")


def model_metadata():
    metadata = client.get_model_metadata(flags.model, query_params=QUERY)
    expect(metadata["name"] == flags.model, f"name is {metadata['name']}")
    for version in metadata.get("versions") or []:
        expect(client.is_model_ready(flags.model, version), f"listed version {version} is not ready")
        expect(client.get_model_metadata(flags.model, version)["name"] == flags.model, "metadata of a version")


def unknown_model():
    check_refusal(refused(lambda: client.get_model_metadata(UNKNOWN_MODEL)), starts="Request for unknown model")
    inputs, outputs, *_ = requests.simple()
    check_refusal(refused(lambda: infer(inputs, outputs, UNKNOWN_MODEL)), starts="Request for unknown model")


def infer_forms(binary, outputs):
    def check():
        inputs, requested, total, difference = requests.simple(binary, outputs, batch=3)
        check_answer(infer(inputs, requested, query_params=QUERY), total, difference)

    return check


def compression(request, response):
    def check():
        for binary in ((True, True), (False, True), (False, False)):
            inputs, outputs, total, difference = requests.simple(binary, BOTH_BINARY if binary[0] else (), batch=8)
            result = infer(
                inputs, outputs, request_compression_algorithm=request, response_compression_algorithm=response
            )
            check_answer(result, total, difference)

    return check


def one_output():
    inputs, outputs, total, _ = requests.simple(outputs=(("OUTPUT0", True),))
    result = infer(inputs, outputs)
    expect_equal(result.as_numpy("OUTPUT0"), total, "OUTPUT0")
    expect(result.as_numpy("OUTPUT1") is None, "OUTPUT1 came without being asked for")


def request_id():
    inputs, outputs, total, difference = requests.simple()
    result = infer(inputs, outputs, request_id="order-42")
    expect(result.get_response().get("id") == "order-42", f"id is {result.get_response().get('id')}")
    expect(result.get_response()["model_name"] == flags.model, "model_name")
    check_answer(result, total, difference)


def model_version():
    versions = client.get_model_metadata(flags.model).get("versions") or []
    if not versions:
        raise Skip("the model has no versions")
    inputs, outputs, total, difference = requests.simple()
    result = infer(inputs, outputs, model_version=versions[0])
    expect(result.get_response()["model_version"] == versions[0], "model_version")
    check_answer(result, total, difference)
    unknown = refused(lambda: infer(inputs, outputs, model_version="987654"))
    check_refusal(unknown, starts="Request for unknown model")


def strings(binary):
    def check():
        inputs, total, difference = requests.strings(binary)
        outputs = [http.InferRequestedOutput(name, binary_data=binary) for name in ("OUTPUT0", "OUTPUT1")]
        try:
            check_strings(infer(inputs, outputs, flags.string_model), total, difference)
        except InferenceServerException as error:
            skip_without_model(error, flags.string_model)

    return check


def identity(datatype, dtype, binary):
    def check():
        array = np.array([[0, 1, 2, 3, 100]]).astype(dtype)
        model = flags.identity_prefix + datatype.lower()
        outputs = [http.InferRequestedOutput("OUTPUT0", binary_data=binary)]
        try:
            result = infer(requests.one(array, datatype, binary), outputs, model)
        except InferenceServerException as error:
            skip_without_model(error, model)
        expect_equal(result.as_numpy("OUTPUT0"), array, "OUTPUT0")

    return check


def wrong_shape():
    tensors = [http.InferInput(name, [1, 15], "INT32") for name in ("INPUT0", "INPUT1")]
    for tensor in tensors:
        tensor.set_data_from_numpy(np.ones((1, 15), dtype=np.int32))
    check_refusal(refused(lambda: infer(tensors)), contains="INPUT", status="400")


def wrong_datatype():
    tensors = [http.InferInput(name, [1, 16], "FP32") for name in ("INPUT0", "INPUT1")]
    for tensor in tensors:
        tensor.set_data_from_numpy(np.ones((1, 16), dtype=np.float32))
    check_refusal(refused(lambda: infer(tensors)), contains="FP32", status="400")


def unknown_tensors():
    inputs, *_ = requests.simple()
    outputs = [http.InferRequestedOutput("NO_SUCH_OUTPUT")]
    check_refusal(refused(lambda: infer(inputs, outputs)), contains="NO_SUCH_OUTPUT", status="400")
    check_refusal(refused(lambda: infer(inputs[:1])), status="400")


def priority_and_timeout():
    needs("schedule_policy")
    inputs, outputs, total, difference = requests.simple()
    check_answer(infer(inputs, outputs, priority=1, timeout=10_000_000), total, difference)
    check_answer(infer(inputs, outputs, priority=2), total, difference)


def custom_parameters():
    inputs, outputs, total, difference = requests.simple()
    check_answer(infer(inputs, outputs, parameters={"colour": "blue", "weight": 2}), total, difference)


def concurrency():
    waiting = []
    for index in range(24):
        inputs, outputs, total, difference = requests.simple(batch=1 + index % 3)
        waiting.append((client.async_infer(flags.model, inputs, request_id=f"c-{index}"), index, total, difference))
    for handle, index, total, difference in waiting:
        result = handle.get_result()
        expect(result.get_response().get("id") == f"c-{index}", "an answer with another request's id")
        check_answer(result, total, difference)


def reused_objects():
    inputs, outputs, total, difference = requests.simple(outputs=BOTH_BINARY)
    for _ in range(10):
        check_answer(infer(inputs, outputs), total, difference)


def configuration():
    needs("model_configuration")
    config = client.get_model_config(flags.model)
    expect(config["name"] == flags.model, f"name is {config['name']}")
    expect([one["name"] for one in config["input"]] == ["INPUT0", "INPUT1"], "inputs")


def statistics():
    needs("statistics")
    before = client.get_inference_statistics(flags.model)["model_stats"]
    expect(len(before) == 1, f"{len(before)} entries, expected 1")
    inputs, outputs, total, difference = requests.simple(batch=2)
    check_answer(infer(inputs, outputs), total, difference)
    after = client.get_inference_statistics(flags.model)["model_stats"]
    grown = int(after[0]["inference_count"]) - int(before[0]["inference_count"])
    expect(grown == 2, f"inference_count grew by {grown}, expected 2")
    expect(any(one["name"] == flags.model for one in client.get_inference_statistics()["model_stats"]), "all models")


def repository():
    needs("model_repository")
    index = client.get_model_repository_index()
    expect(any(one["name"] == flags.model and one.get("state") == "READY" for one in index), "not in the index as READY")
    check_refusal(refused(lambda: client.load_model(UNKNOWN_MODEL)))
    if flags.control_model is None:
        return
    client.unload_model(flags.control_model)
    expect(not client.is_model_ready(flags.control_model), "ready after unload")
    client.load_model(flags.control_model)
    expect(client.is_model_ready(flags.control_model), "not ready after load")


DTYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "INT16": np.int16,
    "INT64": np.int64,
    "UINT64": np.uint64,
    "FP32": np.float32,
    "FP64": np.float64,
}
FORMS = {"binary": True, "JSON": False}

CHECKS = [
    ("health", health),
    ("server metadata", server_metadata),
    ("model metadata", model_metadata),
    ("unknown model", unknown_model),
    ("binary in, binary out by default", infer_forms((True, True), ())),
    ("JSON in, binary out by default", infer_forms((False, False), ())),
    ("JSON in, JSON out", infer_forms((False, False), (("OUTPUT0", False), ("OUTPUT1", False)))),
    ("mixed in, mixed out", infer_forms((False, True), (("OUTPUT0", True), ("OUTPUT1", False)))),
    ("outputs in another order", infer_forms((True, False), (("OUTPUT1", True), ("OUTPUT0", True)))),
    ("one requested output", one_output),
    ("request id", request_id),
    ("model version", model_version),
    *((f"request {way}", compression(way, None)) for way in ("gzip", "deflate")),
    *((f"response {way}", compression(None, way)) for way in ("gzip", "deflate")),
    *((f"request and response {way}", compression(way, way)) for way in ("gzip", "deflate")),
    *((f"strings in {form}", strings(binary)) for form, binary in FORMS.items()),
    *(
        (f"identity {datatype} in {form}", identity(datatype, dtype, binary))
        for datatype, dtype in DTYPES.items()
        for form, binary in FORMS.items()
    ),
    ("identity FP16 in binary", identity("FP16", np.float16, True)),
    ("wrong shape", wrong_shape),
    ("wrong datatype", wrong_datatype),
    ("unknown output, missing input", unknown_tensors),
    ("priority and timeout arguments", priority_and_timeout),
    ("custom parameters", custom_parameters),
    ("24 requests by async_infer", concurrency),
    ("inputs and outputs used again", reused_objects),
    ("model configuration", configuration),
    ("statistics", statistics),
    ("repository index, load, unload", repository),
]

sys.exit(run("tritonclient.http", CHECKS))
