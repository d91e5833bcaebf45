"""Trains both versions of the digits model, writes them, measures them, and picks the examples.

    python -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python train.py

Takes about 20 seconds on two cores. Every random choice has a fixed seed; another CPU may still round
differently in the last bits. The held-out images take no part in training; README.md says how settings were chosen.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import convnet
import graphs

MODEL = Path(__file__).parent.parent
SPLIT_SEED = 20
TRAINING_SEED = 1
HELD_OUT = 0.2
SINGLES = {"zero": 0, "three": 3, "five": 5, "seven": 7, "eight": 8}
BATCH = (1, 2, 4, 6, 9)


def split():
    """(training images, held-out images, training labels, held-out labels); images are 64 grey values from 0 to 16."""
    digits = load_digits()
    images = digits.data.astype(np.float32)
    return train_test_split(images, digits.target, test_size=HELD_OUT, stratify=digits.target, random_state=SPLIT_SEED)


def write(version, model):
    folder = MODEL / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))


def answers(version, images):
    """The labels that the written file gives, through onnxruntime."""
    path = MODEL / str(version) / "model.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["label"], {"pixels": images})[0]


def measure(version, images, labels, network):
    right = answers(version, images) == labels
    record = {
        "network": network,
        "dataSet": "Optical Recognition of Handwritten Digits, UCI, the 1797 images in scikit-learn's load_digits",
        "split": f"stratified by digit, {HELD_OUT:.0%} held out, train_test_split(random_state={SPLIT_SEED})",
        "heldOutImages": len(labels),
        "correct": int(right.sum()),
        "accuracy": round(float(right.mean()), 4),
        "accuracyPerDigit": {str(digit): round(float(right[labels == digit].mean()), 4) for digit in range(10)},
        "measuredWith": f"onnxruntime {onnxruntime.__version__}, CPU, on the file beside this one",
    }
    (MODEL / str(version) / "accuracy.json").write_text(json.dumps(record, indent=2) + "\n")
    print(f"version {version}: {record['correct']} of {len(labels)} held-out images right")


def request(images):
    rows = [int(value) for value in images.ravel()]
    tensor = {"name": "pixels", "shape": list(images.shape), "datatype": "FP32", "data": rows}
    return json.dumps({"inputs": [tensor]}) + "\n"


def write_examples(images, labels):
    """Held-out images that both versions read right: the first of each digit, so that either version fits expected.json."""
    agreed = (answers(1, images) == labels) & (answers(2, images) == labels)
    first = {digit: int(np.flatnonzero(agreed & (labels == digit))[0]) for digit in range(10)}
    folder = MODEL / "examples"
    folder.mkdir(exist_ok=True)
    groups = {f"{name}.json": [digit] for name, digit in SINGLES.items()} | {"batch.json": list(BATCH)}
    for name, digits in groups.items():
        (folder / name).write_text(request(images[[first[digit] for digit in digits]]))
    (folder / "expected.json").write_text(json.dumps(groups, indent=2) + "\n")


def main():
    train_images, held_images, train_labels, held_labels = split()
    scaled = train_images / graphs.WHITE
    regression = LogisticRegression(max_iter=2000).fit(scaled, train_labels)
    write(1, graphs.linear(regression.coef_.T, regression.intercept_))
    network = convnet.train(scaled.reshape(-1, 8, 8, 1), train_labels, TRAINING_SEED)
    write(2, graphs.convolutional(network))
    measure(1, held_images, held_labels, "multinomial logistic regression")
    measure(2, held_images, held_labels, "two convolutions, one hidden layer")
    write_examples(held_images, held_labels)


if __name__ == "__main__":
    main()
