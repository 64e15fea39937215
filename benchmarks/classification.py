"""Accuracy of the default SequenceClassifier on four small public sets: `python benchmarks/classification.py`.

One recipe for all of them, no settings by set. It was chosen by cross-validation on the training parts; the README
tells which variants were seen on test parts. The sets come with packages: digits with scikit-learn, the others with
aeon, whose files are all that is read of it (`pip install --no-deps aeon`).

digits            the 8 rows of each picture as 8 steps of 8 channels; 1257 to learn from, 540 to test, stratified,
                  drawn with seed 0
GunPoint, ItalyPowerDemand, JapaneseVowels   the packages' own training and test parts
"""

from __future__ import annotations

import argparse
import json
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import forecast

# Published: LSTM-FCN's and dl-4-tsc's tables of results, means of runs (LSTM-FCN: the best of a search).
SETS: dict[str, tuple[float, str]] = {
    "digits": (0.985, "–"),
    "GunPoint": (0.98, "1.000 FCN, LSTM-FCN; .991 ResNet; .927 MLP"),
    "ItalyPowerDemand": (0.962, ".965 Encoder; .963 ResNet; .962 LSTM-FCN; .961 FCN; .954 MLP"),
    "JapaneseVowels": (0.985, ".993 FCN; .992 ResNet; .976 MLP, Encoder"),
}
"""Accuracy to reach, and what was published."""
TESTED = 540
Part = tuple[list[np.ndarray], np.ndarray]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", default=list(SETS), help="digits, GunPoint …; all if not given")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    print(
        f"{'set':18} {'accuracy':>8} {'seeds':24} {'to reach':>8} {'log loss':>8} {'CPU-s a fit':>11}  published"
    )
    found = {name: measure(name, range(arguments.seeds)) for name in arguments.sets}
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(found, indent=2), encoding="utf-8")


def measure(name: str, seeds: range) -> dict[str, Any]:
    """Fit with each seed, predict the test part, and print a line of the table."""
    (X, y), (X_test, y_test) = load(name)
    runs = []
    for seed in seeds:
        began = time.process_time()
        model = forecast.SequenceClassifier(seed=seed).fit(X, y)
        seconds = time.process_time() - began
        probabilities = model.predict_proba(X_test)
        codes = np.searchsorted(model.classes_, y_test)
        likely = np.maximum(probabilities[np.arange(len(codes)), codes], 1e-12)
        runs.append(
            (float((probabilities.argmax(axis=1) == codes).mean()), float(-np.log(likely).mean()), seconds)
        )
    accuracy, loss, seconds = np.mean(runs, axis=0)
    each = " ".join(f"{run[0]:.4f}" for run in runs)
    least, published = SETS[name]
    print(
        f"{name:18} {accuracy:8.4f} {each:24} {least:8.3f} {loss:8.3f} {seconds:11.1f}  {published}",
        flush=True,
    )
    return {"accuracy": float(accuracy), "seeds": [run[0] for run in runs], "log_loss": float(loss),
            "cpu_seconds": float(seconds), "to_reach": least, "published": published}  # fmt: skip


def load(name: str) -> tuple[Part, Part]:
    """Return training and test part of a set: sequences ``(time, channels)`` and labels.

    Raises:
        FileNotFoundError: aeon, which brings it, is not installed.
    """
    if name == "digits":
        digits = load_digits()
        split = train_test_split(
            digits.data.reshape(-1, 8, 8),
            digits.target,
            test_size=TESTED,
            stratify=digits.target,
            random_state=0,
        )
        return (list(split[0]), split[2]), (list(split[1]), split[3])
    spec = find_spec("aeon")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("aeon is not installed; pip install --no-deps aeon brings the files.")
    folder = Path(spec.origin).parent / "datasets" / "data" / name
    return read_ts(folder / f"{name}_TRAIN.ts"), read_ts(folder / f"{name}_TEST.ts")


def read_ts(path: Path) -> Part:
    """Read a file of the UCR and UEA archives: channels between colons, the label last."""
    lines = path.read_text(encoding="utf-8").splitlines()
    first = next(i for i, line in enumerate(lines) if line.strip().lower() == "@data") + 1
    rows = [line.strip().split(":") for line in lines[first:] if line.strip()]
    X = [np.array([[float(cell) for cell in channel.split(",")] for channel in row[:-1]]).T for row in rows]
    return X, np.array([row[-1] for row in rows], dtype=object)


if __name__ == "__main__":
    main()
