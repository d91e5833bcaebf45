"""MLServer: a custom runtime, as its documentation describes, around ONNX Runtime."""

import os

import onnxruntime as ort
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Perceptron(MLModel):
    async def load(self) -> bool:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["FIELD_MODEL"], options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0])
        results = self.session.run(["output"], {"input": rows})[0]
        output = NumpyCodec.encode_output("output", results)
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])
