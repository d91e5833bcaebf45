"""Re-creates every model under this folder, and cases.json: what Python's onnxruntime answers for each of them.

    python -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python generate.py
"""

from pathlib import Path

from generator import basic, cases, handmade, hostile, trained

HERE = Path(__file__).parent


def main():
    basic.generate(HERE / "basic")
    handmade.generate(HERE / "exporters")
    trained.generate(HERE / "exporters")
    hostile.generate(HERE / "hostile")
    cases.generate(HERE)


if __name__ == "__main__":
    main()
