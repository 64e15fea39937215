"""What a report is made from: a fitted forecaster, and the rows that it is looked at with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.data.panel import Panel
from forecast.estimators.arguments import standing_method
from forecast.estimators.contract import as_table, join
from forecast.estimators.fitting import Fitted
from forecast.estimators.forecaster import Forecaster

if TYPE_CHECKING:
    from forecast.auditing.findings import Audit
    from forecast.auditing.rivals import Judgement

# Longer than any history: stored rows precede every series that a table continues.
_ALL_ROWS = 10**12


@dataclass(frozen=True, eq=False)
class Material:
    """A forecaster and, if there is one, the table that it is looked at with.

    Args:
        model: A fitted forecaster.
        table: A table with the columns of training, best with rows that are newer; None for none.
    """

    model: Forecaster
    table: Any = None

    @property
    def fitted(self) -> Fitted:
        """What the forecaster learned."""
        return self.model.fitted_

    @cached_property
    def given(self) -> Panel | None:
        """The table's rows, None without a table."""
        return (
            None
            if self.table is None
            else self.fitted.contract.read(as_table(self.table), targets_needed=False)
        )

    @cached_property
    def panel(self) -> Panel:
        """All rows at hand: those stored with the model, and behind them those of the table."""
        history = self.fitted.history
        if self.given is None:
            return history
        return self.given if self.given.columns.time is None else join(history, self.given, _ALL_ROWS)

    @property
    def method(self) -> str:
        """Who forecasts: the network, the weighted mean, or a baseline."""
        return standing_method(self.model)

    @cached_property
    def judgement(self) -> Judgement | None:
        """The comparison on the table's newer rows; None without such rows."""
        from forecast.auditing.rivals import judge_forecaster

        if self.given is None:
            return None
        found = judge_forecaster(self.fitted, self.panel, self.method, given=True)
        return found if found is not None and found.trial is not None else None

    @property
    def unseen(self) -> bool:
        """Whether the judged rows were not part of training, as far as their times tell."""
        from forecast.auditing.subjects import TRAINED

        return self.judgement is not None and self.judgement.rows != TRAINED

    @property
    def judged(self) -> pd.DataFrame | None:
        """The comparison that counts: on unseen rows of the table if there are any, else that of the fit."""
        if self.judgement is not None and self.unseen:
            return self.judgement.table
        return self.model.comparison_

    @cached_property
    def audit(self) -> Audit:
        """What the audit found."""
        from forecast.auditing.audit import audit

        return audit(self.model, self.table)

    @cached_property
    def observed(self) -> np.ndarray:
        """Whether a row of ``panel`` lies before the end of its series' past, shape ``(rows,)``."""
        return np.arange(self.panel.rows) < np.repeat(self.panel.ends, self.panel.lengths)
