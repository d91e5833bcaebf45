"""What the checks of the blocking and of the asyncio tritonclient share: how a request is built and its answer read."""

import numpy as np
from checks import Skip, WIDTH, expect, expect_equal, pair
from tritonclient.utils import InferenceServerException


def bearer_plugin(base, token):
    """The client's own way of adding a header to every call."""

    class Bearer(base):
        def __call__(self, request):
            request.headers["authorization"] = f"Bearer {token}"

    return Bearer()


class Requests:
    """Builds requests with the classes of one of the two client modules."""

    def __init__(self, module, flags):
        self.module = module
        self.flags = flags

    def simple(self, binary=(True, True), outputs=(), batch=1):
        """Inputs, requested outputs (name, binary) and the expected sum and difference."""
        left, right, total, difference = pair(batch)
        inputs = []
        for name, array, form in (("INPUT0", left, binary[0]), ("INPUT1", right, binary[1])):
            tensor = self.module.InferInput(name, list(array.shape), "INT32")
            tensor.set_data_from_numpy(array, binary_data=form)
            inputs.append(tensor)
        requested = [self.module.InferRequestedOutput(name, binary_data=form) for name, form in outputs]
        return inputs, requested or None, total, difference

    def strings(self, binary):
        left, right, total, difference = pair()
        inputs = []
        for name, array in (("INPUT0", left), ("INPUT1", right)):
            texts = np.array([str(value).encode() for value in array.flatten()], dtype=np.object_).reshape(array.shape)
            tensor = self.module.InferInput(name, [1, WIDTH], "BYTES")
            tensor.set_data_from_numpy(texts, binary_data=binary)
            inputs.append(tensor)
        return inputs, total, difference

    def one(self, array, datatype, binary=True):
        tensor = self.module.InferInput("INPUT0", list(array.shape), datatype)
        tensor.set_data_from_numpy(array, binary_data=binary)
        return [tensor]


def check_answer(result, total, difference):
    expect_equal(result.as_numpy("OUTPUT0"), total, "OUTPUT0")
    expect_equal(result.as_numpy("OUTPUT1"), difference, "OUTPUT1")


def check_strings(result, total, difference):
    for name, expected in (("OUTPUT0", total), ("OUTPUT1", difference)):
        texts = result.as_numpy(name)
        numbers = [int(text) for text in texts.flatten()]
        expect_equal(np.array(numbers, dtype=np.int32).reshape(expected.shape), expected, name)


def check_refusal(error, *, starts="", contains="", status=None):
    """The client understood the refusal: it found our text in the body, rather than failing to decode it."""
    expect(isinstance(error, InferenceServerException), f"expected InferenceServerException, got {error!r}")
    message = error.message()
    expect("while decoding the response" not in message, f"the client could not decode the error: {message}")
    expect(message.startswith(starts), f"the text is: {message}")
    expect(contains in message, f"the text is: {message}")
    expect(status is None or error.status() == status, f"status is {error.status()}: {message}")


def skip_without_model(error, model):
    """Raises Skip if the failure says that the target lacks the model, else the failure itself."""
    if isinstance(error, InferenceServerException) and error.status() == "404":
        raise Skip(f"the target has no model {model}")
    raise error
