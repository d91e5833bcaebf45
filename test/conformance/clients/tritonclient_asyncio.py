"""Checks with the asyncio client of tritonclient[http], unmodified."""

import asyncio
import sys

import numpy as np
import tritonclient.http.aio as http
from checks import UNKNOWN_MODEL, Skip, arguments, expect, expect_equal, run
from tritonclient.http import InferenceServerClientPlugin
from tritonclient.utils import InferenceServerException
from tritonclient_requests import Requests, bearer_plugin, check_answer, check_refusal, check_strings, skip_without_model

flags = arguments()
requests = Requests(http, flags)


def with_client(check):
    """Each check has a client of its own: aiohttp wants it made inside the running loop."""

    async def wrapped():
        async with http.InferenceServerClient(flags.authority, ssl=flags.secure) as client:
            if flags.token:
                client.register_plugin(bearer_plugin(InferenceServerClientPlugin, flags.token))
            await check(client)

    return wrapped


async def refused(waiting):
    try:
        await waiting
    except InferenceServerException as error:
        return error
    raise AssertionError("the request was accepted")


async def needs(client, extension):
    if extension not in (await client.get_server_metadata())["extensions"]:
        raise Skip(f"GET /v2 does not advertise {extension}")


async def health(client):
    expect(await client.is_server_live(), "not live")
    expect(await client.is_server_ready(), "not ready")
    expect(await client.is_model_ready(flags.model), f"{flags.model} is not ready")
    expect(not await client.is_model_ready(UNKNOWN_MODEL), "an unknown model is ready")


async def metadata(client):
    expect("extensions" in await client.get_server_metadata(), "server metadata")
    expect((await client.get_model_metadata(flags.model))["name"] == flags.model, "model metadata")


async def unknown_model(client):
    inputs, *_ = requests.simple()
    error = await refused(client.infer(UNKNOWN_MODEL, inputs))
    check_refusal(error, starts="Request for unknown model")


def infer_forms(binary, outputs):
    async def check(client):
        inputs, requested, total, difference = requests.simple(binary, outputs, batch=4)
        check_answer(await client.infer(flags.model, inputs, outputs=requested), total, difference)

    return check


def compression(request, response):
    async def check(client):
        for binary in ((True, True), (False, False)):
            inputs, outputs, total, difference = requests.simple(binary, batch=8)
            result = await client.infer(
                flags.model,
                inputs,
                outputs=outputs,
                request_compression_algorithm=request,
                response_compression_algorithm=response,
            )
            check_answer(result, total, difference)

    return check


async def strings(client):
    inputs, total, difference = requests.strings(True)
    try:
        check_strings(await client.infer(flags.string_model, inputs), total, difference)
    except InferenceServerException as error:
        skip_without_model(error, flags.string_model)


async def half(client):
    array = np.array([[6.8, 2.8, 4.8, 1.4, 6.0, 3.4, 4.5, 1.6]], dtype=np.float16)
    model = f"{flags.identity_prefix}fp16"
    try:
        result = await client.infer(model, requests.one(array, "FP16"))
    except InferenceServerException as error:
        skip_without_model(error, model)
    expect_equal(result.as_numpy("OUTPUT0"), array, "OUTPUT0")


async def wrong_shape(client):
    tensor = http.InferInput("INPUT0", [1, 15], "INT32")
    tensor.set_data_from_numpy(np.ones((1, 15), dtype=np.int32))
    check_refusal(await refused(client.infer(flags.model, [tensor])), status="400")


async def concurrency(client):
    async def one(index):
        inputs, outputs, total, difference = requests.simple(batch=1 + index % 3)
        result = await client.infer(flags.model, inputs, outputs=outputs, request_id=f"a-{index}")
        expect(result.get_response().get("id") == f"a-{index}", "an answer with another request's id")
        check_answer(result, total, difference)

    await asyncio.gather(*(one(index) for index in range(24)))


async def priority_and_timeout(client):
    await needs(client, "schedule_policy")
    inputs, outputs, total, difference = requests.simple()
    result = await client.infer(flags.model, inputs, outputs=outputs, priority=1, timeout=10_000_000)
    check_answer(result, total, difference)


async def configuration_and_statistics(client):
    await needs(client, "model_configuration")
    await needs(client, "statistics")
    expect((await client.get_model_config(flags.model))["name"] == flags.model, "configuration")
    expect(len((await client.get_inference_statistics(flags.model))["model_stats"]) == 1, "statistics")


async def repository(client):
    await needs(client, "model_repository")
    index = await client.get_model_repository_index()
    expect(any(one["name"] == flags.model for one in index), f"{flags.model} is not in the index")


CHECKS = [
    ("health", health),
    ("metadata", metadata),
    ("unknown model", unknown_model),
    ("binary in, binary out by default", infer_forms((True, True), ())),
    ("JSON in, JSON out", infer_forms((False, False), (("OUTPUT0", False), ("OUTPUT1", False)))),
    ("mixed in, mixed out", infer_forms((False, True), (("OUTPUT0", True), ("OUTPUT1", False)))),
    *((f"request and response {way}", compression(way, way)) for way in ("gzip", "deflate")),
    ("strings in binary", strings),
    ("identity FP16 in binary", half),
    ("wrong shape and missing input", wrong_shape),
    ("24 requests at once", concurrency),
    ("priority and timeout arguments", priority_and_timeout),
    ("model configuration and statistics", configuration_and_statistics),
    ("repository index", repository),
]

sys.exit(run("tritonclient.http.aio", [(name, with_client(check)) for name, check in CHECKS]))
