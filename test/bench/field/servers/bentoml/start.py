"""Hands over to `bentoml serve`."""

import os
import sys

folder = os.path.dirname(os.path.abspath(__file__))
os.environ.update(BENTOML_DO_NOT_TRACK="True", BENTOML_HOME=os.environ["FIELD_WORK"])
command = ["serve", "service:Perceptron", "--working-dir", folder, "--host", "127.0.0.1"]
command += ["--port", os.environ["FIELD_PORT"], "--quiet"]
os.execv(sys.executable, [sys.executable, "-m", "bentoml", *command])
