"""Small tables of labelled sequences that tests share."""

from __future__ import annotations

import numpy as np
import pandas as pd

QUICK = {"units": 4, "steps": 20, "members": 1, "learning_rate": 0.02}


def gestures(count: int = 24, seed: int = 0) -> pd.DataFrame:
    """Sequences of 5 to 9 rows that rise or fall, three of each subject."""
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(count):
        rows = 5 + i % 5
        slope = np.arange(rows) * (1 if i % 2 else -1)
        part = {"id": f"g{i:02}", "step": np.arange(rows), "x": slope + rng.normal(0, 0.3, rows)}
        part |= {"z": rng.normal(size=rows), "label": "up" if i % 2 else "down", "subject": f"p{i // 3}"}
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def coughs(count: int = 8, seed: int = 0) -> pd.DataFrame:
    """Recordings in which the level is higher while somebody coughs; some rows have no label."""
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(count):
        state = np.repeat(np.arange(8) % 2, rng.integers(6, 14, 8))
        part = {"id": i, "time": np.arange(len(state)), "level": 2 * state + rng.normal(0, 0.6, len(state))}
        parts.append(pd.DataFrame(part | {"state": np.where(state, "cough", "normal")}))
    table = pd.concat(parts, ignore_index=True)
    table.loc[table["time"] < 2, "state"] = None
    return table
