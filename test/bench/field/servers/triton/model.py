"""A model of Triton's Python backend around ONNX Runtime: the requests of one dynamic batch, run as one."""

import os

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["FIELD_MODEL"], options, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(request, "input").as_numpy() for request in requests]
        results = self.session.run(["output"], {"input": np.concatenate(inputs)})[0]
        responses = []
        start = 0
        for rows in inputs:
            end = start + rows.shape[0]
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("output", results[start:end])]))
            start = end
        return responses
