"""Re-creates the models that PyTorch exports; apart from generate.py because PyTorch is a download of gigabytes.

    python -m venv .venv && .venv/bin/pip install -r requirements-torch.txt && .venv/bin/python generate_torch.py
"""

from pathlib import Path

import onnx
import torch
from torch import nn

EXPORTERS = Path(__file__).parent / "exporters"


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 16)
        self.out = nn.Linear(16, 3)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(x)))


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.out = nn.Linear(4 * 4 * 4, 3)

    def forward(self, x):
        features = torch.relu(self.norm(self.conv(x)))
        return self.out(nn.functional.max_pool2d(features, 2).flatten(1))


def without_source_paths(path):
    """The exporter writes its stack traces, with the paths of the machine it ran on, into the file: takes them out."""
    model = onnx.load(path, load_external_data=False)
    for part in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
    for part in (*model.graph.initializer, *model.graph.value_info):
        del part.metadata_props[:]
    path.write_bytes(model.SerializeToString(deterministic=True))


def export(name, module, example, **options):
    folder = EXPORTERS / name / "1"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    torch.onnx.export(module, (example,), path, input_names=["x"], output_names=["y"], **options)
    without_source_paths(path)


def main():
    torch.manual_seed(0)
    mlp, conv = Mlp().eval(), ConvNet().eval()
    vector, image = torch.randn(2, 4), torch.randn(2, 1, 8, 8)
    batch = {0: torch.export.Dim("batch")}
    named = {"x": {0: "batch"}, "y": {0: "batch"}}
    export("torch_mlp", mlp, vector, dynamo=True, dynamic_shapes=(batch,), external_data=False)
    export("torch_mlp_script", mlp, vector, dynamo=False, dynamic_axes=named, opset_version=17)
    # What a user gets without further options: the newest opset and the weights in model.onnx.data.
    export("torch_conv", conv, image, dynamo=True, dynamic_shapes=(batch,))
    export("torch_conv_script", conv, image, dynamo=False, dynamic_axes=named, opset_version=17)


if __name__ == "__main__":
    main()
