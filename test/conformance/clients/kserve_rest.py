"""Checks with the KServe SDK's InferenceRESTClient, unmodified."""

import asyncio
import sys

import httpx
import numpy as np
from checks import UNKNOWN_MODEL, Skip, arguments, expect, expect_equal, pair, run
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

flags = arguments()
HEADERS = {"authorization": f"Bearer {flags.token}"} if flags.token else {}


def with_client(check):
    async def wrapped():
        async with InferenceRESTClient(RESTConfig(protocol="v2", timeout=60)) as client:
            await check(client)

    return wrapped


async def infer(client, model, request):
    """The client writes its own headers into the dict it is given, so each call has a new one."""
    try:
        return await client.infer(flags.url, request, model_name=model, headers=dict(HEADERS))
    except httpx.HTTPStatusError as error:
        if error.response.status_code == 404 and model != UNKNOWN_MODEL:
            raise Skip(f"the target has no model {model}") from error
        raise


def tensor(name, array, datatype, binary):
    one = InferInput(name, list(array.shape), datatype)
    one.set_data_from_numpy(array, binary_data=binary)
    return one


def simple(binary, model=None, **rest):
    left, right, total, difference = pair(2)
    inputs = [tensor(name, array, "INT32", binary) for name, array in (("INPUT0", left), ("INPUT1", right))]
    return InferRequest(model_name=model or flags.model, infer_inputs=inputs, **rest), total, difference


def check_answer(response, total, difference):
    arrays = {output.name: output.as_numpy() for output in response.outputs}
    expect_equal(arrays.get("OUTPUT0"), total, "OUTPUT0")
    expect_equal(arrays.get("OUTPUT1"), difference, "OUTPUT1")


async def health(client):
    expect(await client.is_server_live(flags.url, headers=HEADERS) is True, "not live")
    expect(await client.is_server_ready(flags.url, headers=HEADERS) is True, "not ready")
    expect(await client.is_model_ready(flags.url, flags.model, headers=HEADERS) is True, "the model is not ready")
    expect(await client.is_model_ready(flags.url, UNKNOWN_MODEL, headers=HEADERS) is False, "an unknown model is ready")


def infer_forms(binary, **rest):
    async def check(client):
        request, total, difference = simple(binary, **rest)
        check_answer(await infer(client, flags.model, request), total, difference)

    return check


async def request_id(client):
    request, total, difference = simple(True, request_id="order-42")
    response = await infer(client, flags.model, request)
    expect(response.id == "order-42", f"id is {response.id}")
    expect(response.model_name == flags.model, f"model_name is {response.model_name}")
    check_answer(response, total, difference)


async def plain_dict(client):
    left, right, total, difference = pair()
    inputs = [
        {"name": name, "shape": [1, 16], "datatype": "INT32", "data": array.tolist()}
        for name, array in (("INPUT0", left), ("INPUT1", right))
    ]
    check_answer(await infer(client, flags.model, {"inputs": inputs}), total, difference)


async def half(client):
    array = np.array([[6.8, 2.8, 4.8, 1.4, 6.0, 3.4, 4.5, 1.6]], dtype=np.float16)
    expect(array.tobytes().hex() == "cd469a41cd449a3d0046cd428044663e", "the published vector")
    model = f"{flags.identity_prefix}fp16"
    inputs = [tensor("INPUT0", array, "FP16", True)]
    request = InferRequest(model_name=model, infer_inputs=inputs, parameters={"binary_data_output": True})
    response = await infer(client, model, request)
    expect_equal(response.outputs[0].as_numpy(), array, "OUTPUT0")


def identity(datatype, array, binary):
    async def check(client):
        model = flags.identity_prefix + datatype.lower()
        request = InferRequest(
            model_name=model,
            infer_inputs=[tensor("INPUT0", array, datatype, binary)],
            parameters={"binary_data_output": binary},
        )
        response = await infer(client, model, request)
        expect_equal(response.outputs[0].as_numpy(), array, "OUTPUT0")

    return check


def strings(binary):
    async def check(client):
        left, right, total, _ = pair()
        inputs = []
        for name, array in (("INPUT0", left), ("INPUT1", right)):
            texts = np.array([str(value).encode() for value in array.flatten()], dtype=np.object_).reshape(array.shape)
            inputs.append(tensor(name, texts, "BYTES", binary))
        request = InferRequest(
            model_name=flags.string_model, infer_inputs=inputs, parameters={"binary_data_output": binary}
        )
        response = await infer(client, flags.string_model, request)
        arrays = {output.name: output.as_numpy() for output in response.outputs}
        sums = [int(text) for text in arrays["OUTPUT0"].flatten()]
        expect_equal(np.array(sums).reshape(total.shape), total, "OUTPUT0")

    return check


async def refused(client, model, request):
    """The text of the error, as the SDK shows it."""
    try:
        await infer(client, model, request)
    except httpx.HTTPStatusError as error:
        return str(error)
    raise AssertionError("the request was accepted")


async def unknown_model(client):
    request, *_ = simple(True, UNKNOWN_MODEL)
    text = await refused(client, UNKNOWN_MODEL, request)
    expect("Request for unknown model" in text, f"the SDK shows: {text}")


async def wrong_shape(client):
    inputs = [tensor(name, np.ones((1, 15), dtype=np.int32), "INT32", True) for name in ("INPUT0", "INPUT1")]
    text = await refused(client, flags.model, InferRequest(model_name=flags.model, infer_inputs=inputs))
    expect("INPUT0" in text and "400" in text, f"the SDK shows: {text}")


async def concurrency(client):
    async def one(index):
        request, total, difference = simple(index % 2 == 0, request_id=f"k-{index}")
        response = await infer(client, flags.model, request)
        expect(response.id == f"k-{index}", "an answer with another request's id")
        check_answer(response, total, difference)

    await asyncio.gather(*(one(index) for index in range(16)))


MIXED = [RequestedOutput("OUTPUT0", {"binary_data": True}), RequestedOutput("OUTPUT1", {"binary_data": False})]

CHECKS = [
    ("health", health),
    ("JSON", infer_forms(False)),
    ("binary in, JSON out", infer_forms(True)),
    ("binary in and out", infer_forms(True, parameters={"binary_data_output": True})),
    ("JSON in, binary out", infer_forms(False, parameters={"binary_data_output": True})),
    ("one output binary, one in JSON", infer_forms(True, request_outputs=MIXED)),
    ("request id", request_id),
    ("a plain dict", plain_dict),
    ("FP16 in binary (published vector)", half),
    ("FP32 in binary", identity("FP32", np.array([[1.5, -2.25]], dtype=np.float32), True)),
    ("FP64 in JSON", identity("FP64", np.array([[0.1, 1e300]]), False)),
    ("INT64 in JSON", identity("INT64", np.array([[-1, 2**53 - 1]]), False)),
    ("BOOL in JSON", identity("BOOL", np.array([[True, False]]), False)),
    ("an empty tensor in binary", identity("FP32", np.empty((1, 0), dtype=np.float32), True)),
    ("strings in binary", strings(True)),
    ("strings in JSON", strings(False)),
    ("unknown model", unknown_model),
    ("wrong shape", wrong_shape),
    ("16 requests at once", concurrency),
]

sys.exit(run("kserve.InferenceRESTClient", [(name, with_client(check)) for name, check in CHECKS]))
