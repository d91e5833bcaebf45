"""Models trained with scikit-learn and LightGBM and written by their exporters, as a user would export them."""

import warnings

import numpy as np
from lightgbm import LGBMClassifier
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType as LightGBMFloat
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from .onnx_file import IR_VERSION, write

OPSETS = {"": 17, "ai.onnx.ml": 3}
PLAIN_PROBABILITIES = {"zipmap": False}

SENTENCES = [
    "the parcel came late and the box was torn",
    "late again and nobody answered the phone",
    "torn box, wrong colour, no answer",
    "came on time and works well",
    "works very well, friendly answer on the phone",
    "on time, right colour, well packed",
]
MOODS = ["bad", "bad", "bad", "good", "good", "good"]


def iris_zipmap(x, y):
    """The default of skl2onnx: probabilities as a sequence of maps, which is no tensor."""
    return to_onnx(LogisticRegression(max_iter=500).fit(x, y), x[:1], target_opset=OPSETS)


def iris_plain(x, y):
    classifier = LogisticRegression(max_iter=500).fit(x, y)
    return to_onnx(classifier, x[:1], options=PLAIN_PROBABILITIES, target_opset=OPSETS)


def iris_forest_names(x, y, names):
    """Labels that are text."""
    forest = RandomForestClassifier(n_estimators=5, max_depth=3, random_state=0).fit(x, names[y])
    return to_onnx(forest, x[:1], options=PLAIN_PROBABILITIES, target_opset=OPSETS)


def colour_pipeline():
    """A text column beside a number column: one input a column."""
    rows = np.array([["red", 1.0], ["red", 2.0], ["blue", 1.5], ["green", 8.0], ["green", 9.0], ["blue", 7.0]], object)
    columns = ColumnTransformer([("colour", OneHotEncoder(), [0]), ("size", StandardScaler(), [1])])
    pipeline = make_pipeline(columns, LogisticRegression()).fit(rows, [0, 0, 0, 1, 1, 1])
    inputs = [("colour", StringTensorType([None, 1])), ("size", FloatTensorType([None, 1]))]
    return to_onnx(pipeline, initial_types=inputs, options=PLAIN_PROBABILITIES, target_opset=OPSETS)


def text_pipeline():
    """Sentences in, mood out."""
    words = TfidfVectorizer(token_pattern="[a-zA-Z]+")
    pipeline = make_pipeline(words, LogisticRegression()).fit(SENTENCES, MOODS)
    inputs = [("text", StringTensorType([None, 1]))]
    # Left to its default, the exporter asks for the locale en_US.UTF-8, and the model fails to load where that is missing.
    options = {id(words): {"locale": "C"}, id(pipeline): PLAIN_PROBABILITIES}
    return to_onnx(pipeline, initial_types=inputs, options=options, target_opset=OPSETS)


def diabetes(x, y, batch):
    pipeline = make_pipeline(StandardScaler(), Ridge(alpha=1.0)).fit(x, y)
    return to_onnx(pipeline, initial_types=[("X", FloatTensorType([batch, x.shape[1]]))], target_opset=OPSETS)


def iris_lightgbm(x, y):
    classifier = LGBMClassifier(
        n_estimators=5, num_leaves=4, random_state=0, deterministic=True, n_jobs=1, verbose=-1
    ).fit(x, y)
    inputs = [("features", LightGBMFloat([None, x.shape[1]]))]
    return convert_lightgbm(classifier, initial_types=inputs, zipmap=False, target_opset=15)


def generate(repository):
    warnings.filterwarnings("ignore", category=UserWarning)
    iris = load_iris()
    x, y = iris.data.astype(np.float32), iris.target
    sugar = load_diabetes()
    sugar_x = sugar.data.astype(np.float32)
    models = {
        "iris_zipmap": iris_zipmap(x, y),
        "iris_plain": iris_plain(x, y),
        "iris_forest_names": iris_forest_names(x, y, iris.target_names),
        "iris_lightgbm": iris_lightgbm(x, y),
        "colour_pipeline": colour_pipeline(),
        "text_pipeline": text_pipeline(),
        "diabetes_ridge": diabetes(sugar_x, sugar.target, None),
        "diabetes_ridge_fixed": diabetes(sugar_x, sugar.target, 1),
    }
    for name, model in models.items():
        # Exporters name a graph with a random id; a fixed name keeps the files reproducible.
        model.graph.name = name
        model.ir_version = min(model.ir_version, IR_VERSION)
        write(repository, name, model)
