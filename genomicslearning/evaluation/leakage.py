"""Does the model know what it cannot know? Evidence alone and left out, submission counts, masking."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from genomicslearning.clinvar import GROWS_WITH_SUBMITTERS
from genomicslearning.evaluation.scores import Ranking, average_precision, roc_auc
from genomicslearning.features import VariantFeatures
from genomicslearning.features.blocks import SUBMISSIONS, by_block

# A count that alone ranks conflicts better than this is worth a warning.
PROXY_AUC = 0.55
ALL = "(all blocks)"


def block_audit(train: pd.DataFrame, test: pd.DataFrame, *, features: str = "all", seed: int = 200) -> pd.DataFrame:
    """Score of a plain gradient boosting with each evidence block alone, and with all blocks but that one.

    Columns: `block`, `columns`, `roc_auc_alone`, `average_precision_alone`, `roc_auc_without`,
    `average_precision_without`, `grows_with_submitters`. The row `(all blocks)` has all of them.
    """
    transformer = VariantFeatures(features)
    one, two = transformer.fit_transform(train), transformer.transform(test)
    labels, truth = train["CLASS"].to_numpy(), test["CLASS"].to_numpy()
    blocks = by_block(list(one.columns))

    def score(columns) -> tuple[float, float]:
        columns = [column for column in columns if one[column].notna().any()]  # else the boosting cannot bin it
        if not len(columns):
            return np.nan, np.nan
        model = HistGradientBoostingClassifier(
            max_iter=60, learning_rate=0.15, max_leaf_nodes=15, max_bins=63, early_stopping=False, random_state=seed
        )
        probability = model.fit(one[columns], labels).predict_proba(two[columns])[:, 1]
        return roc_auc(truth, probability), average_precision(truth, probability)

    rows = [_audited(ALL, list(one.columns), score(list(one.columns)), (np.nan, np.nan))]
    for name, columns in blocks.items():
        rest = [column for column in one.columns if column not in set(columns)]
        rows.append(_audited(name, columns, score(columns), score(rest)))
    return pd.DataFrame(rows)


def _audited(name: str, columns: list[str], alone: tuple[float, float], without: tuple[float, float]) -> dict:
    return {
        "block": name,
        "columns": len(columns),
        "roc_auc_alone": alone[0],
        "average_precision_alone": alone[1],
        "roc_auc_without": without[0],
        "average_precision_without": without[1],
        "grows_with_submitters": name in SUBMISSIONS,
    }


def submission_proxies(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers that count submitters in disguise, and how well each alone tells conflicts.

    Columns: `proxy`, `what`, `roc_auc` (0.5 is none; below 0.5 it works the other way round), `flagged`.
    """
    labels = table["CLASS"].to_numpy()
    rows = []
    for name, what, values in _counts(table):
        if np.unique(values).size < 2:
            continue
        area = roc_auc(labels, values)
        rows.append({"proxy": name, "what": what, "roc_auc": area, "flagged": abs(area - 0.5) > PROXY_AUC - 0.5})
    table = pd.DataFrame(rows, columns=["proxy", "what", "roc_auc", "flagged"])
    order = (table["roc_auc"] - 0.5).abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _counts(table: pd.DataFrame):
    for column in sorted(GROWS_WITH_SUBMITTERS & set(table.columns)):
        text = table[column].fillna("")
        yield f"entries in {column}", "grows with each submission", np.where(text == "", 0, text.str.count(r"\|") + 1)
        yield f"length of {column}", "grows with each submission", text.str.len().to_numpy()
    if "CLNDN" in table:
        text = table["CLNDN"].fillna("")
        for term in ("not_specified", "not_provided"):
            yield (
                f"{term} in CLNDN",
                "some laboratories always write it",
                text.str.contains(term).astype(int).to_numpy(),
            )
    if "ORIGIN" in table:
        bits = pd.to_numeric(table["ORIGIN"], errors="coerce").fillna(0).astype(int)
        yield "origins in ORIGIN", "each submitter may add one", bits.map(int.bit_count).to_numpy()


def as_single_submission(table: pd.DataFrame) -> pd.DataFrame:
    """The table as if one laboratory had submitted: the first condition only, no sources, one origin."""
    masked = table.copy()
    for column in ("CLNDN", "CLNDISDB"):
        if column in masked:
            masked[column] = masked[column].str.partition("|")[0]
    for column in ("CLNVI", "CLNDNINCL", "CLNDISDBINCL", "CLNSIGINCL"):
        if column in masked:
            masked[column] = pd.Series(np.nan, index=masked.index, dtype="str")
    if "ORIGIN" in masked:
        masked["ORIGIN"] = masked["ORIGIN"].where(masked["ORIGIN"].isna(), "1")
    return masked


def masked_as_single(predict: Callable[[pd.DataFrame], np.ndarray], test: pd.DataFrame) -> dict:
    """What happens to the score when every test variant looks as if one laboratory had submitted it.

    Keys: `roc_auc`, `average_precision`, `mean_probability`, and the same with `_masked`; `words` for a report.
    """
    labels = test["CLASS"].to_numpy()
    before, after = predict(test), predict(as_single_submission(test))
    found: dict[str, float] = {}
    for suffix, probability in (("", before), ("_masked", after)):
        ranking = Ranking(labels, probability)
        found |= {
            f"roc_auc{suffix}": ranking.roc_auc(),
            f"average_precision{suffix}": ranking.average_precision(),
            f"mean_probability{suffix}": float(np.mean(probability)),
        }
    lost = found["roc_auc"] - found["roc_auc_masked"]
    words = (
        "Masked to look like a single submission, ROC AUC goes from "
        f"{found['roc_auc']:.3f} to {found['roc_auc_masked']:.3f} and the mean probability from "
        f"{found['mean_probability']:.2f} to {found['mean_probability_masked']:.2f}: "
        + (
            "the model leans on fields that only several submitters fill."
            if lost > 0.02
            else "the model hardly leans on fields that only several submitters fill."
        )
    )
    return {**found, "words": words}
